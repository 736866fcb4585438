import pytest

from nexomailer_cli.smtp.failure import Failure, Scope
from nexomailer_cli.smtp.outcome import Disposition, Outcome, Phase, Status, Verdict

UNREACHED = Failure(Scope.PROVIDER, is_transient=True, is_unanswered=True)


def outcome(*verdicts: Verdict, failure: Failure | None = None) -> Outcome:
    return Outcome(
        tuple(
            Disposition(f"r{number}@x.test", verdict, Phase.END, failure=failure)
            for number, verdict in enumerate(verdicts)
        )
    )


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ((Verdict.ACCEPTED, Verdict.ACCEPTED), Status.ACCEPTED),
        ((Verdict.ACCEPTED, Verdict.REJECTED), Status.PARTIAL),
        ((Verdict.ACCEPTED, Verdict.UNKNOWN), Status.UNKNOWN),
        ((Verdict.DEFERRED, Verdict.REJECTED), Status.DEFERRED),
        ((Verdict.REJECTED, Verdict.REJECTED), Status.REJECTED),
        ((Verdict.UNKNOWN,), Status.UNKNOWN),
    ],
)
def test_what_is_not_known_weighs_most(verdicts: tuple[Verdict, ...], status: Status) -> None:
    assert outcome(*verdicts).status is status


def test_a_mail_that_no_server_was_asked_about_has_failed() -> None:
    assert outcome(Verdict.DEFERRED, failure=UNREACHED).status is Status.FAILED
