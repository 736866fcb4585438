import hashlib
from collections.abc import Generator

import pytest
import scramp
from scramp.core import ScramServer

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.smtp import auth, scram
from nexomailer_cli.smtp.auth import Credentials

PASSWORD = Credentials("tim, a=b", "Tanstaaf & Söhne")
Conversation = Generator[bytes | None, bytes, None]


def server(password: str = PASSWORD.password) -> ScramServer:
    mechanism = scramp.ScramMechanism(scram.MECHANISM)
    known = mechanism.make_auth_info(password)
    return mechanism.make_server(lambda _user: known)


def up_to_proof(peer: ScramServer) -> tuple[Conversation, str]:
    """Speak with `peer` until it has seen the client's proof; return what it says to it."""
    conversation = auth.converse("SCRAM-SHA-256", PASSWORD)
    peer.set_client_first((next(conversation) or b"").decode())
    answer = conversation.send(peer.get_server_first().encode())
    assert answer is not None
    assert PASSWORD.password.encode() not in answer
    try:
        peer.set_client_final(answer.decode())
    except scramp.ScramException as error:
        return conversation, f"e={error.server_error.value}"
    return conversation, peer.get_server_final()


def test_both_sides_prove_that_they_know_the_password() -> None:
    conversation, final = up_to_proof(server())
    assert conversation.send(final.encode()) == b""
    auth.conclude("SCRAM-SHA-256", conversation)


def test_a_wrong_password_is_told_by_the_server_and_answered_with_an_empty_line() -> None:
    conversation, final = up_to_proof(server("another"))
    assert final == "e=invalid-proof"
    assert conversation.send(final.encode()) == b""
    # Taking us in after that proves nothing.
    with pytest.raises(ProtocolError) as caught:
        auth.conclude("SCRAM-SHA-256", conversation)
    assert caught.value.reason == "server-unproven"


def test_a_server_that_takes_us_in_without_any_proof_is_not_believed() -> None:
    conversation, _ = up_to_proof(server())
    with pytest.raises(ProtocolError) as caught:
        auth.conclude("SCRAM-SHA-256", conversation)
    assert caught.value.reason == "server-unproven"


def test_a_server_that_does_not_know_the_password_is_not_believed() -> None:
    conversation, _ = up_to_proof(server())
    false = hashlib.sha256(b"?").digest()
    with pytest.raises(ProtocolError):
        conversation.send(b"v=" + auth.encode(false))


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "nonsense",
        "r=not-ours,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096",
        "r={nonce}x,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=1",
        "r={nonce}x,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=99999999999999999999",
        f"r={{nonce}}x,s=MDEyMzQ1Njc4OWFiY2RlZg==,i={scram.MAX_ITERATIONS + 1}",
        "r={nonce}x,s=%%%,i=4096",
        "\udcff",
    ],
)
def test_a_server_cannot_make_us_calculate_nonsense(challenge: str) -> None:
    conversation = auth.converse("SCRAM-SHA-256", PASSWORD)
    nonce = (next(conversation) or b"").decode().rpartition("r=")[2]
    said = challenge.replace("{nonce}", nonce).encode("utf-8", "surrogateescape")
    with pytest.raises(ProtocolError) as caught:
        conversation.send(said)
    assert caught.value.reason == "server-unproven"


def test_a_password_that_scram_has_no_place_for_is_not_quoted() -> None:
    with pytest.raises(TransportError) as caught:
        next(auth.converse("SCRAM-SHA-256", Credentials("tim", "tan\x07staaf")))
    assert "staaf" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.reason == "configuration"


def test_mechanisms_without_proof_are_believed() -> None:
    conversation = auth.converse("PLAIN", PASSWORD)
    next(conversation)
    auth.conclude("PLAIN", conversation)
