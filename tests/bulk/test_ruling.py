"""What follows for a row: whoever was refused or left out keeps it from being accepted."""

from __future__ import annotations

import pytest

from nexomailer_cli.bulk.ruling import rule
from nexomailer_cli.bulk.state import State
from nexomailer_cli.smtp.outcome import Disposition, Phase, Verdict
from nexomailer_cli.smtp.reply import Reply

REFUSED = Disposition("a@a.test", Verdict.REJECTED, Phase.RCPT, Reply(550, "5.1.1", ("no",)))
PUT_OFF = Disposition("b@b.test", Verdict.DEFERRED, Phase.MAIL, None, "closed")
TAKEN = Disposition("c@c.test", Verdict.ACCEPTED, Phase.END, Reply(250))
UNKNOWN = Disposition("d@d.test", Verdict.UNKNOWN, Phase.END, None, "closed")


@pytest.mark.parametrize(
    ("dispositions", "state"),
    [
        ((TAKEN,), State.ACCEPTED),
        ((TAKEN, TAKEN), State.ACCEPTED),
        ((REFUSED,), State.REJECTED),
        ((TAKEN, REFUSED), State.REJECTED),
        ((PUT_OFF,), State.DEFERRED),
        ((TAKEN, PUT_OFF), State.DEFERRED),
        ((REFUSED, PUT_OFF), State.DEFERRED),
        ((TAKEN, UNKNOWN), State.UNKNOWN),
        ((REFUSED, UNKNOWN), State.UNKNOWN),
    ],
)
def test_a_verdict_counts_although_nobody_has_said_whose_failure_it_is(
    dispositions: tuple[Disposition, ...], state: State
) -> None:
    ruling = rule(dispositions)
    assert ruling.state is state
    if REFUSED in dispositions and state is State.DEFERRED:
        assert ruling.rest == ("b@b.test",)
        assert "a@a.test" in ruling.flaw
