"""Signing in (RFC 4954): one mechanism is chosen, and spoken once.

A client that tries the next mechanism after a refusal sends the same wrong password
again, and servers lock the account after a few. Sending and the probe share this file.
"""

from __future__ import annotations

import binascii
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.outcome import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeAlias

    Conversation: TypeAlias = Generator[bytes | None, bytes, None]

# What a server may ask in one exchange: LOGIN asks twice, nothing here asks more often.
MAX_CHALLENGES = 4


class Credentials(Struct, frozen=True):
    """Who signs in, and with what.

    `token` is an OAuth 2 access token and takes the place of the password. `method` is
    the mechanism asked for, in any case; empty lets the server's offer decide.
    """

    user: str
    password: str = ""
    token: str = ""
    method: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.user!r}, ***)"


def choose(offered: tuple[str, ...], credentials: Credentials, *, is_private: bool) -> str:
    """Return the mechanism to use; raise TransportError where there is none.

    `is_private` says that nobody can listen. Otherwise the mechanism that does not
    show the password comes first.
    """
    if not offered:
        raise TransportError(
            "the server offers no sign-in", phase=Phase.AUTH, reason="auth-not-offered"
        )
    for mechanism in _wanted(credentials, is_private=is_private):
        if mechanism in offered:
            return mechanism
    raise TransportError(
        f"the server offers only {printable(', '.join(offered))}",
        phase=Phase.AUTH,
        reason="no-mechanism",
    )


def _wanted(credentials: Credentials, *, is_private: bool) -> tuple[str, ...]:
    if credentials.method:
        return (credentials.method.upper(),)
    if credentials.token:
        return ("XOAUTH2",)
    # PLAIN needs one round trip where LOGIN needs three.
    return ("PLAIN", "LOGIN", "CRAM-MD5") if is_private else ("CRAM-MD5", "PLAIN", "LOGIN")


def converse(mechanism: str, credentials: Credentials) -> Conversation:
    """Speak `mechanism`: yield responses, be sent the server's challenges.

    The first value is the initial response of RFC 4954 section 4, or `None` where the
    mechanism lets the server speak first. Nothing is base64 here; the wire's encoding is
    `encode` and `decode`.
    """
    return _CONVERSATIONS[mechanism](credentials)


def _plain(credentials: Credentials) -> Conversation:
    yield f"\0{credentials.user}\0{credentials.password}".encode()  # RFC 4616


def _login(credentials: Credentials) -> Conversation:
    # The prompts differ from server to server ("Username:", "User Name", ...): only their
    # order counts.
    yield None
    yield credentials.user.encode()
    yield credentials.password.encode()


def _cram_md5(credentials: Credentials) -> Conversation:
    import hmac

    challenge = yield None
    digest = hmac.digest(credentials.password.encode(), challenge, "md5").hex()
    yield f"{credentials.user} {digest}".encode()  # RFC 2195


def _xoauth2(credentials: Credentials) -> Conversation:
    yield f"user={credentials.user}\1auth=Bearer {credentials.token}\1\1".encode()
    # A challenge here is the refusal, as JSON; the server tells its code after an empty line.
    yield b""


_CONVERSATIONS: dict[str, Callable[[Credentials], Conversation]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "XOAUTH2": _xoauth2,
}


def unspoken(text: str, credentials: Credentials) -> str:
    """Return `text` with every form of the secret replaced: servers have echoed passwords."""
    for form in _forms(credentials):
        text = text.replace(form, "***")
    return text


# A session asks for every reply.
@lru_cache(maxsize=16)
def _forms(credentials: Credentials) -> tuple[str, ...]:
    secrets = [secret for secret in (credentials.password, credentials.token) if secret]
    sent = [b64 for secret in secrets for b64 in _sent(credentials, secret)]
    return (*sent, *secrets)


def _sent(credentials: Credentials, secret: str) -> list[str]:
    plain = f"\0{credentials.user}\0{secret}"
    bearer = f"user={credentials.user}\1auth=Bearer {secret}\1\1"
    return [encode(form.encode()).decode() for form in (plain, bearer, secret)]


def encode(response: bytes) -> bytes:
    """Return `response` as it goes over the wire."""
    return binascii.b2a_base64(response, newline=False)


def encode_initial(response: bytes) -> bytes:
    """Return an initial response; an empty one is written `=` (RFC 4954 section 4)."""
    return encode(response) or b"="


def decode(challenge: str) -> bytes:
    """Return the challenge in the text of a 334 reply; raise ProtocolError for nonsense."""
    try:
        return binascii.a2b_base64(challenge.encode(), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ProtocolError(
            "the server's sign-in challenge is not base64",
            phase=Phase.AUTH,
            reason="not-smtp",
            detail=challenge[:80],
        ) from error
