"""The addresses that make the sandbox misbehave, seen by a client."""

from __future__ import annotations

import pytest

from nexomailer_cli.sandbox.server import Sandbox
from nexomailer_cli.sandbox.tricks import TRICKS, Trick
from tests.sandbox.client import Client

COMMANDS = ("MAIL FROM:<{}>", "RCPT TO:<{}>", "DATA", "Subject: hi\r\n\r\n.")


def provoke(client: Client, trick: Trick) -> tuple[str, str]:
    """Say everything up to what the trick is about; return the last two replies."""
    sender = trick.address if trick.moment == "mail" else "a@example.org"
    recipient = "b@example.org" if trick.moment == "mail" else trick.address
    commands = COMMANDS[: 1 + ("mail", "rcpt", "", "data").index(trick.moment)]
    addresses = (sender, recipient, "", "")
    says = zip(commands, addresses, strict=False)
    replies = ["", *(client.say(command.format(address)) for command, address in says)]
    return replies[-2], replies[-1]


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.address)
def test_a_trick_strikes_at_its_moment_and_not_before(signed_in: Client, trick: Trick) -> None:
    before, at = provoke(signed_in, trick)
    assert before[:3] in ("", "250", "354")
    assert at == trick.reply


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.address)
def test_the_session_goes_on_unless_the_trick_ends_it(signed_in: Client, trick: Trick) -> None:
    provoke(signed_in, trick)
    if trick.hangs_up:
        assert signed_in.is_dead()
    else:
        assert signed_in.say("RSET") == "250 2.0.0 Ok"
        assert signed_in.send().startswith("250 2.0.0 Ok: queued as ")


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.address)
def test_only_what_went_unanswered_is_stored(
    signed_in: Client, sandbox: Sandbox, trick: Trick
) -> None:
    provoke(signed_in, trick)
    assert len(sandbox.captured) == (0 if trick.reply else 1)


def test_a_refused_recipient_does_not_stop_the_others(client: Client, sandbox: Sandbox) -> None:
    client.say("MAIL FROM:<a@example.org>")
    client.say("RCPT TO:<reject+1@sandbox.test>")
    client.say("RCPT TO:<b@example.org>")
    client.say("RCPT TO:<defer+2@sandbox.test>")
    client.say("DATA")
    assert client.say(".").startswith("250 ")
    assert sandbox.captured[0].recipients == ("b@example.org",)
