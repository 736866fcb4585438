"""Signing in (RFC 4954): one mechanism is chosen, and spoken once.

A client that tries the next mechanism after a refusal sends the same wrong password
again, and servers lock the account after a few. Sending and the probe share this file.
"""

from __future__ import annotations

import binascii
import contextlib
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.errors import ProtocolError, TransportError, refused
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp import scram
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeAlias

    from nexomailer_cli.smtp.reply import Reply

    Conversation: TypeAlias = Generator[bytes | None, bytes, None]

# What a server may ask in one exchange: LOGIN asks twice, nothing here asks more often.
MAX_CHALLENGES = 4
# RFC 4954 section 6: these credentials are not valid; other codes are about something else.
INVALID_CREDENTIALS = 535
TOKEN_REFUSED = "token-refused"  # noqa: S105 - the reason of an error


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
        # The older one is what Google and Microsoft use themselves, and the latter knows no other.
        return ("XOAUTH2", "OAUTHBEARER")
    # PLAIN needs one round trip where LOGIN needs three.
    shown, unshown = ("PLAIN", "LOGIN"), ("CRAM-MD5",)
    return (scram.MECHANISM, *(shown + unshown if is_private else unshown + shown))


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


def _scram(credentials: Credentials) -> Conversation:
    return scram.converse(credentials.user, credentials.password)


def _external(credentials: Credentials) -> Conversation:
    # Who we are says the certificate; a name is only needed to act for another (RFC 4422
    # appendix A).
    yield credentials.user.encode()


def _xoauth2(credentials: Credentials) -> Conversation:
    yield _xoauth2_text(credentials, credentials.token).encode()
    # A challenge here is the refusal, as JSON; the server tells its code after an empty line.
    yield b""


def _oauthbearer(credentials: Credentials) -> Conversation:
    yield _oauthbearer_text(credentials, credentials.token).encode()
    # The same, with a lone ^A for the empty line (RFC 7628 section 3.2.3).
    yield b"\1"


def _xoauth2_text(credentials: Credentials, token: str) -> str:
    return f"user={credentials.user}\1auth=Bearer {token}\1\1"


def _oauthbearer_text(credentials: Credentials, token: str) -> str:
    name = credentials.user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4
    return f"n,a={name},\1auth=Bearer {token}\1\1"


_CONVERSATIONS: dict[str, Callable[[Credentials], Conversation]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    scram.MECHANISM: _scram,
    "EXTERNAL": _external,
    "XOAUTH2": _xoauth2,
    "OAUTHBEARER": _oauthbearer,
}


def conclude(mechanism: str, conversation: Conversation) -> None:
    """Take the server's word that we are signed in.

    Raises ProtocolError where `mechanism` has the server prove itself first, and it has not.
    """
    if mechanism == scram.MECHANISM:
        with contextlib.suppress(StopIteration):
            conversation.send(b"")


def refusal(reply: Reply, challenge: str, credentials: Credentials) -> TransportError:
    """Return the error for a sign-in that a server refused; `challenge` is its last one.

    With a token the challenge is the refusal's reason, as JSON, and what is refused for good is
    the token: a password that nobody has must not be called wrong.
    """
    if not credentials.token:
        return refused(Phase.AUTH, reply)
    error = refused(Phase.AUTH, reply, printable(unspoken(challenge, credentials)))
    error.reason = TOKEN_REFUSED if reply.severity is Severity.PERMANENT else ""
    return error


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
    bearers = (_xoauth2_text(credentials, secret), _oauthbearer_text(credentials, secret))
    return [encode(form.encode()).decode() for form in (plain, *bearers, secret)]


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
