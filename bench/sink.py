"""A trivial SMTP server that says yes to everything: as fast as Python gets, and with CHUNKING.

    python3 bench/sink.py PORT [--chunking]

Postfix's smtp-sink knows no BDAT. This one knows just enough SMTP to find the ends of things.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from typing import cast

HOST = "127.0.0.1"


class Sink(asyncio.Protocol):
    """One connection."""

    keywords = b"250 PIPELINING\r\n"
    wire: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast("asyncio.Transport", transport)
        self._buffer = b""
        self._is_content = False
        self._skip = 0
        self.wire.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        said: list[bytes] = []
        while (answer := self._next()) is not None:
            said.append(answer)
        if said:
            self.wire.write(b"".join(said))

    def _next(self) -> bytes | None:
        if self._is_content:
            return self._content()
        if self._skip:
            return self._chunk()
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return None
        self._buffer = rest
        return self._command(line)

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-sink\r\n250-8BITMIME\r\n" + self.keywords
        if verb == b"DATA":
            self._is_content = True
            return b"354 go\r\n"
        if verb == b"BDAT":
            self._skip = int(line.split()[1])
            return b""  # the answer follows the chunk
        return b"250 2.0.0 Ok\r\n"

    def _content(self) -> bytes | None:
        at = self._buffer.find(b"\r\n.\r\n")
        if at < 0:
            return None
        self._buffer = self._buffer[at + 5 :]
        self._is_content = False
        return b"250 2.0.0 Ok: queued\r\n"

    def _chunk(self) -> bytes | None:
        if len(self._buffer) < self._skip:
            return None
        self._buffer, self._skip = self._buffer[self._skip :], 0
        return b"250 2.0.0 Ok: queued\r\n"


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, HOST, port)
    await server.serve_forever()


def main() -> None:
    """Serve until somebody ends it."""
    port, *options = sys.argv[1:]
    if options == ["--chunking"]:
        Sink.keywords = b"250-CHUNKING\r\n" + Sink.keywords
    if importlib.util.find_spec("uvloop"):
        import uvloop

        uvloop.run(_serve(int(port)))
    else:
        asyncio.run(_serve(int(port)))


if __name__ == "__main__":
    main()
