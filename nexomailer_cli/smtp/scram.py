"""SCRAM-SHA-256 (RFC 5802, 7677): the password never leaves, and the server proves itself.

scramp does the arithmetic. What is kept here is the order of the messages, and that a
server which has proven nothing is not believed.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.smtp.outcome import Phase

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MECHANISM = "SCRAM-SHA-256"
UNPROVEN = "server-unproven"  # the reason of the error
# RFC 7677 asks for 4096, and OWASP for 600,000. The server says how long we calculate.
MAX_ITERATIONS = 1_000_000
_ITERATIONS = re.compile(r"(?:^|,)i=([0-9]{1,20})(?:,|$)")


def converse(user: str, password: str) -> Generator[bytes | None, bytes, None]:
    """Speak SCRAM-SHA-256; raise ProtocolError for a server that cannot prove itself."""
    import scramp

    with _impossible("the user name or the password holds what SCRAM has no place for"):
        client = scramp.ScramClient([MECHANISM], user, password)
    challenge = yield client.get_client_first().encode()
    with _distrusted():
        client.set_server_first(_bounded(challenge.decode()))
        answer = client.get_client_final().encode()
    challenge = yield answer
    if not challenge.startswith(b"e="):
        with _distrusted():
            client.set_server_final(challenge.decode())
        yield b""
        return
    # The refusal's reason (RFC 5802 section 7); the server tells its code after an empty line.
    yield b""
    raise unproven()


def _bounded(server_first: str) -> str:
    asked = _ITERATIONS.search(server_first)
    if asked and int(asked[1]) > MAX_ITERATIONS:
        raise unproven()
    return server_first


@contextlib.contextmanager
def _impossible(message: str) -> Iterator[None]:
    import scramp

    try:
        yield
    except scramp.ScramException:
        # `from None`: it quotes what it choked on.
        raise TransportError(message, phase=Phase.AUTH, reason="configuration") from None


@contextlib.contextmanager
def _distrusted() -> Iterator[None]:
    import scramp

    try:
        yield
    except (scramp.ScramException, ValueError):
        raise unproven() from None


def unproven() -> ProtocolError:
    """Return the error for a server that has not proven that it knows the password."""
    return ProtocolError(
        "the server has not proven that it knows the password",
        phase=Phase.AUTH,
        reason=UNPROVEN,
    )
