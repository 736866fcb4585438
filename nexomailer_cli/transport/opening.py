"""Opens a session on an account's terms, and once more with another token if one was refused.

A token that has not expired may have been revoked, or the clock be wrong. A fresh one is
not the same credentials again, so it locks no account; it is tried once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.smtp.auth import TOKEN_REFUSED
from nexomailer_cli.transport.handshake import Handshake

if TYPE_CHECKING:
    from nexomailer_cli.transport.account import Account
    from nexomailer_cli.transport.base import Observer
    from nexomailer_cli.transport.terms import Session, Terms

# RFC 4954 section 6: these credentials are not valid; other codes are about something else.
_INVALID = 535


class Opening:
    """One session to be opened. `tls_version` says how far it got."""

    def __init__(self, account: Account, observer: Observer) -> None:
        self.tls_version = ""
        self._account = account
        self._observer = observer

    async def open(self, *, in_thread: bool = False) -> Session:
        """Return an open session; raise TransportError.

        With `in_thread` terms are looked up beside the event loop, which must not wait.
        """
        terms = await self._terms("", in_thread=in_thread)
        try:
            return await self._shake_hands(terms)
        except TransportError as error:
            rejected = self._refused_token(error, terms)
            if not rejected:
                raise
            terms = await self._terms(rejected, in_thread=in_thread)
            if terms.credentials is None or terms.credentials.token == rejected:
                raise
        return await self._shake_hands(terms)

    async def _terms(self, rejected: str, *, in_thread: bool) -> Terms:
        if in_thread:
            return await asyncio.to_thread(self._account.usable_terms, rejected)
        return self._account.usable_terms(rejected)

    async def _shake_hands(self, terms: Terms) -> Session:
        handshake = Handshake(terms, self._account.limits, self._observer)
        try:
            return await handshake.open()
        finally:
            self.tls_version = handshake.tls_version

    def _refused_token(self, error: TransportError, terms: Terms) -> str:
        """Return the token that was refused, empty where another would fare no better."""
        is_invalid = error.reply is not None and error.reply.code == _INVALID
        if self._account.other_terms is None or error.reason != TOKEN_REFUSED or not is_invalid:
            return ""
        return terms.credentials.token if terms.credentials else ""
