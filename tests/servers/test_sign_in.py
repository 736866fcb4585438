"""Every mechanism that a server offers and nexomailer speaks; the server says which one it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from nexomailer_cli.smtp.auth import Credentials, converse
from tests.servers.client import Client, address

pytestmark = pytest.mark.servers

Note = Callable[[str, str], None]

MECHANISMS = (
    *("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "DIGEST-MD5", "XOAUTH2", "OAUTHBEARER"),
)
WRONG = "tanstaaf-PaRtIcUlAr"


def is_spoken(mechanism: str) -> bool:
    """Whether nexomailer knows it."""
    with suppress(KeyError):
        converse(mechanism, Credentials(user="x", password="y", token="z"))
        return True
    return False


def test_no_mechanism_goes_untested(client: Client) -> None:
    assert set(client.server.mechanisms) <= set(MECHANISMS)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_each_mechanism_signs_in(client: Client, note: Note, mechanism: str) -> None:
    is_offered = mechanism in client.server.mechanisms
    note(mechanism, "✓" if is_offered and is_spoken(mechanism) else "○" if is_offered else "–")
    if not is_spoken(mechanism):
        return
    sent = client.send("--to", address("anna"), method=mechanism)
    assert sent.told.commands["AUTH"] == (1 if is_offered else 0)
    if is_offered:
        assert sent.outcome == (0, "accepted")
        assert len(client.server.taken()) == 1
        (accepted,) = sent.told.accepted
        assert accepted.mechanism == mechanism
    else:
        assert sent.outcome[1] == "failed"
        assert sent.report["error"]["id"] == "auth.no_common_mechanism"
        assert client.server.is_idle()


def test_a_wrong_secret_is_tried_once(client: Client, note: Note) -> None:
    for mechanism in filter(is_spoken, client.server.mechanisms):
        sent = client.send("--to", address("dora"), method=mechanism, secret=WRONG)
        assert sent.outcome == (77, "failed"), mechanism
        (attempt,) = sent.report["attempts"]
        assert (attempt["phase"], attempt["code"]) == ("auth", 535), mechanism
        assert sent.told.commands["AUTH"] == len(sent.said("AUTH")) == 1, mechanism
        assert client.server.is_idle()
    note("wrong", "✓")
