"""Opens a session on an account's terms, and once more with another token if one was refused.

A token that has not expired may have been revoked, or the clock be wrong. A fresh one is
not the same credentials again, so it locks no account; it is tried once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.transport.meeting import Meeting

if TYPE_CHECKING:
    from nexomailer_cli.transport.account import Account
    from nexomailer_cli.transport.base import Observer
    from nexomailer_cli.transport.terms import Session, Terms
    from nexomailer_cli.transport.wire import Wire


class Opening:
    """One session to be opened. `tls_version` says how far it got."""

    def __init__(self, account: Account, observer: Observer) -> None:
        self.tls_version = ""
        self._account = account
        self._observer = observer

    def open(self) -> tuple[Wire, Session]:
        """Return an open session; raise TransportError."""
        terms = self._account.usable_terms()
        try:
            return self._meet(terms)
        except TransportError as error:
            rejected = self._account.refused_token(error, terms)
            if not rejected:
                raise
            terms = self._account.usable_terms(rejected)
            if not terms.has_another_token(rejected):
                raise
        return self._meet(terms)

    def _meet(self, terms: Terms) -> tuple[Wire, Session]:
        meeting = Meeting(terms, self._account.limits, self._observer, self._account.blocking)
        try:
            return meeting.open()
        finally:
            self.tls_version = meeting.tls_version
