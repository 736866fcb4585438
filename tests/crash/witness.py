"""A server that writes down every message it has accepted, before it says so.

    python -m tests.crash.witness LOG [--chunking] [--delay SECONDS]

Prints its port. What it has written is what was delivered, whoever is killed afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re

_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


class Witness(asyncio.Protocol):
    """One connection."""

    def __init__(self, log: int, delay: float, *, chunking: bool) -> None:
        self._log = log
        self._delay = delay
        self._chunking = chunking
        self._buffer = bytearray()
        self._content = bytearray()
        self._recipients: list[str] = []
        self._is_data = False
        self._is_closed = False
        self._is_thinking = False
        self._left = -1  # octets of a chunk still to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._wire = transport
        self._say("220 witness.test ESMTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while self._step():
            pass

    def _step(self) -> bool:
        if self._is_thinking:
            return False
        if self._is_data:
            return self._take_data()
        if self._left >= 0:
            return self._take_chunk()
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return False
        self._buffer = bytearray(rest)
        self._obey(line.decode("utf-8", "replace"))
        return True

    def _take_data(self) -> bool:
        at = self._buffer.find(b"\r\n.\r\n")
        if at < 0:
            return False
        self._content = self._buffer[: at + 2]
        del self._buffer[: at + 5]
        self._is_data = False
        self._accept()
        return True

    def _take_chunk(self) -> bool:
        if len(self._buffer) < self._left:
            return False
        self._content = self._buffer[: self._left]
        del self._buffer[: self._left]
        self._left = -1
        self._accept()
        return True

    def _obey(self, line: str) -> None:
        verb, _, argument = line.upper().partition(" ")
        match verb:
            case "EHLO":
                words = ["witness.test", "PIPELINING", *["CHUNKING"] * self._chunking]
                self._say("\r\n".join(f"250-{word}" for word in words), "250 8BITMIME")
            case "RCPT":
                self._recipients.append(line.partition("<")[2].partition(">")[0])
                self._say("250 ok")
            case "DATA":
                self._is_data = True
                self._say("354 go on")
            case "BDAT":
                self._left = int(argument.split()[0])
            case "RSET":
                self._recipients.clear()
                self._say("250 ok")
            case "QUIT":
                self._say("221 bye")
                self._wire.close()
            case _:
                self._say("250 ok")

    def _accept(self) -> None:
        """Write down what was delivered; the answer comes a little later, as from a disk."""
        found = _MESSAGE_ID.search(self._content)
        identity = found[1].decode() if found else "-"
        lines = "".join(f"{identity} {each}\n" for each in self._recipients)
        self._recipients.clear()
        os.write(self._log, lines.encode())
        self._is_thinking = True
        asyncio.get_running_loop().call_later(self._delay, self._answer)

    def _answer(self) -> None:
        self._is_thinking = False
        self._say("250 2.0.0 Ok")
        self._go_on()

    def _say(self, *lines: str) -> None:
        if not self._is_closed:
            self._wire.write("".join(f"{line}\r\n" for line in lines).encode())


async def serve(path: str, delay: float, *, chunking: bool) -> None:
    """Serve until somebody ends the process."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # whoever was killed is gone
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    server = await asyncio.get_running_loop().create_server(
        lambda: Witness(log, delay, chunking=chunking), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("log")
    parser.add_argument("--delay", type=float, default=0.002)
    parser.add_argument("--chunking", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.log, arguments.delay, chunking=arguments.chunking))
