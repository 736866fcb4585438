"""Reads along with aiosmtplib, and is stricter.

Everything that the server says passes here first, and what our own reader makes of it counts.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nexomailer_cli.smtp.answer import AnswerReader

if TYPE_CHECKING:
    from aiosmtplib.protocol import SMTPProtocol


class Witness(asyncio.Protocol):
    """Stands between the wire and aiosmtplib's protocol."""

    def __init__(self, protocol: SMTPProtocol) -> None:
        self.answers = AnswerReader()
        self._protocol = protocol

    def data_received(self, data: bytes) -> None:
        """Read, then pass on."""
        self.answers.receive(data)
        self._protocol.data_received(data)

    def eof_received(self) -> bool:
        """Pass on."""
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._protocol.resume_writing()
