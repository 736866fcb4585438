"""Opens a session on an account's terms, and once more with another token if one was refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.pool.carrier import Carrier

if TYPE_CHECKING:
    from nexomailer_cli.transport.account import Account
    from nexomailer_cli.transport.base import Observer
    from nexomailer_cli.transport.terms import Session, Terms


class Opening:
    """One session to be opened. `tls_version` says how far it got."""

    def __init__(self, account: Account, observer: Observer) -> None:
        self.tls_version = ""
        self._account = account
        self._observer = observer

    async def open(self, *, in_thread: bool = False) -> tuple[asyncio.Transport, Session]:
        """Return an open session; raise TransportError.

        With `in_thread` terms are looked up beside the event loop, which must not wait.
        """
        terms = await self._terms("", in_thread=in_thread)
        try:
            return await self._carry(terms)
        except TransportError as error:
            rejected = self._account.refused_token(error, terms)
            if not rejected:
                raise
            terms = await self._terms(rejected, in_thread=in_thread)
            if not terms.has_another_token(rejected):
                raise
        return await self._carry(terms)

    async def _terms(self, rejected: str, *, in_thread: bool) -> Terms:
        if in_thread:
            return await asyncio.to_thread(self._account.usable_terms, rejected)
        return self._account.usable_terms(rejected)

    async def _carry(self, terms: Terms) -> tuple[asyncio.Transport, Session]:
        carrier = Carrier(terms, self._account.limits, self._observer)
        try:
            session = await carrier.open()
        finally:
            self.tls_version = carrier.tls_version
        return carrier.wire, session
