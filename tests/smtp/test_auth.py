import base64

import pytest

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.smtp import auth
from nexomailer_cli.smtp.auth import Credentials
from nexomailer_cli.smtp.reply import parse_reply

PASSWORD = Credentials("tim", "tanstaaf")
TOKEN = Credentials("tim@x.test", token="ya29.x")
ALL = ("XOAUTH2", "CRAM-MD5", "LOGIN", "PLAIN", "GSSAPI")


@pytest.mark.parametrize(
    ("offered", "credentials", "is_private", "chosen"),
    [
        (ALL, PASSWORD, True, "PLAIN"),
        (ALL, PASSWORD, False, "CRAM-MD5"),
        (("LOGIN", "CRAM-MD5"), PASSWORD, True, "LOGIN"),
        (("CRAM-MD5",), PASSWORD, True, "CRAM-MD5"),
        (ALL, TOKEN, True, "XOAUTH2"),
        (ALL, Credentials("tim", "x", method="login"), True, "LOGIN"),
        ((*ALL, "SCRAM-SHA-256"), PASSWORD, True, "SCRAM-SHA-256"),
        ((*ALL, "SCRAM-SHA-256"), PASSWORD, False, "SCRAM-SHA-256"),
        (("PLAIN", "OAUTHBEARER"), TOKEN, True, "OAUTHBEARER"),
        ((*ALL, "OAUTHBEARER"), TOKEN, True, "XOAUTH2"),
        ((*ALL, "EXTERNAL"), Credentials("", method="external"), True, "EXTERNAL"),
    ],
)
def test_one_mechanism_is_chosen(
    offered: tuple[str, ...], credentials: Credentials, is_private: bool, chosen: str
) -> None:
    assert auth.choose(offered, credentials, is_private=is_private) == chosen


@pytest.mark.parametrize(
    ("offered", "credentials", "reason"),
    [
        ((), PASSWORD, "auth-not-offered"),
        (("GSSAPI", "NTLM"), PASSWORD, "no-mechanism"),
        (("PLAIN",), TOKEN, "no-mechanism"),
        (("PLAIN",), Credentials("tim", "x", method="cram-md5"), "no-mechanism"),
    ],
)
def test_without_a_common_mechanism_nothing_is_tried(
    offered: tuple[str, ...], credentials: Credentials, reason: str
) -> None:
    with pytest.raises(TransportError) as caught:
        auth.choose(offered, credentials, is_private=True)
    assert caught.value.reason == reason


def test_plain_speaks_first() -> None:
    assert next(auth.converse("PLAIN", PASSWORD)) == b"\0tim\0tanstaaf"


def test_login_answers_twice_whatever_the_prompts_say() -> None:
    conversation = auth.converse("LOGIN", Credentials("zoë", "påss"))
    assert next(conversation) is None
    assert conversation.send(b"User Name\0") == "zoë".encode()
    assert conversation.send(b"?") == "påss".encode()
    with pytest.raises(StopIteration):
        conversation.send(b"more?")


def test_cram_md5_is_that_of_rfc_2195() -> None:
    conversation = auth.converse("CRAM-MD5", Credentials("tim", "tanstaaftanstaaf"))
    assert next(conversation) is None
    answer = conversation.send(b"<1896.697170952@postoffice.reston.mci.net>")
    assert answer == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_xoauth2_answers_the_error_with_an_empty_line() -> None:
    conversation = auth.converse("XOAUTH2", TOKEN)
    assert next(conversation) == b"user=tim@x.test\1auth=Bearer ya29.x\1\1"
    assert conversation.send(b'{"status":"400"}') == b""


def test_the_wire_is_base64() -> None:
    assert auth.encode(b"\0a\0b") == base64.b64encode(b"\0a\0b")
    assert auth.encode(b"") == b""
    assert auth.encode_initial(b"") == b"="
    assert auth.decode("dGlt") == b"tim"
    assert auth.decode("") == b""


@pytest.mark.parametrize("challenge", ["***", "dGl", "dGlt é"])
def test_a_challenge_that_is_not_base64_ends_the_conversation(challenge: str) -> None:
    with pytest.raises(ProtocolError, match="not base64"):
        auth.decode(challenge)


def test_a_secret_that_comes_back_is_not_shown() -> None:
    plain = base64.b64encode(b"\0tim\0tanstaaf").decode()
    said = f"bad password tanstaaf ({plain}, dGFuc3RhYWY=)"
    assert auth.unspoken(said, PASSWORD) == "bad password *** (***, ***)"
    assert auth.unspoken("expired: ya29.x", TOKEN) == "expired: ***"
    assert auth.unspoken("no secret", Credentials("tim")) == "no secret"


def test_no_secret_is_in_a_repr() -> None:
    assert "hunter2" not in repr(Credentials("u", "hunter2", token="hunter2"))


def test_oauthbearer_names_the_user_and_ends_with_a_dummy() -> None:
    conversation = auth.converse("OAUTHBEARER", Credentials("a=b,c@x.test", token="ya29.x"))
    assert next(conversation) == b"n,a=a=3Db=2Cc@x.test,\1auth=Bearer ya29.x\1\1"
    assert conversation.send(b'{"status": "invalid_token"}') == b"\1"


def test_external_says_only_for_whom_we_act() -> None:
    assert next(auth.converse("EXTERNAL", Credentials("", method="external"))) == b""
    assert next(auth.converse("EXTERNAL", Credentials("tim", method="external"))) == b"tim"


@pytest.mark.parametrize(
    ("code", "credentials", "reason", "detail"),
    [
        (535, TOKEN, "token-refused", '{"status": "400", "was": "***"}'),
        (454, TOKEN, "", '{"status": "400", "was": "***"}'),
        (535, PASSWORD, "", ""),
    ],
)
def test_a_refused_token_is_no_wrong_password(
    code: int, credentials: Credentials, reason: str, detail: str
) -> None:
    challenge = '{"status": "400", "was": "ya29.x"}'
    error = auth.refusal(parse_reply(code, ("no",)), challenge, credentials)
    assert (error.reason, error.detail) == (reason, detail)


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_token_that_is_echoed_is_not_quoted(mechanism: str) -> None:
    sent = auth.encode(next(auth.converse(mechanism, TOKEN)) or b"").decode()
    assert auth.unspoken(f"what? {sent}", TOKEN) == "what? ***"
