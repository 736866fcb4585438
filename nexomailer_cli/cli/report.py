"""What became of a mail, for programs and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexomailer_cli.smtp.outcome import Attempt, Disposition, Outcome, Status, Verdict

if TYPE_CHECKING:
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.probe.diagnosis import Finding
    from nexomailer_cli.smtp.envelope import Mail

SCHEMA = "nexomailer.send/1"


def finding_of(attempt: Attempt) -> Finding:
    """Return what the diagnosis table says about an attempt that did not succeed."""
    from nexomailer_cli.probe.diagnosis import Evidence, diagnose

    reply = attempt.reply
    return diagnose(
        Evidence(
            phase=attempt.phase,
            reason=attempt.reason,
            code=reply.code if reply else None,
            enhanced=reply.enhanced if reply else "",
            text=reply.text if reply else attempt.text,
            host=attempt.host,
            port=attempt.port or None,
        )
    )


def decisive(outcome: Outcome) -> Attempt | None:
    """Return the attempt that explains why a mail was not wholly accepted."""
    failed = [attempt for attempt in outcome.attempts if attempt.status is not Status.ACCEPTED]
    if outcome.status is Status.ACCEPTED or not failed:
        return None
    if outcome.status is Status.FAILED:
        passing = (attempt for attempt in failed if finding_of(attempt).temporary)
        return next(passing, failed[0])
    answered = [attempt for attempt in failed if attempt.status is not Status.FAILED]
    return (_about_the_rest(outcome, failed) or answered or failed)[-1]


def _about_the_rest(outcome: Outcome, failed: list[Attempt]) -> list[Attempt]:
    """Return the attempts whose words are those about somebody who was not served after all."""
    unserved = [each for each in outcome.dispositions if each.verdict is not Verdict.ACCEPTED]
    said = [(each.phase, each.reply, each.reason) for each in unserved]
    return [each for each in failed if (each.phase, each.reply, each.reason) in said]


def as_json(
    outcome: Outcome, mail: Mail, exit_code: int, *, was_interrupted: bool = False
) -> dict[str, Any]:
    """Return the object that `--json` prints, as the command-line contract has it."""
    taker = _taker(outcome)
    return {
        "schema": SCHEMA,
        "status": outcome.status,
        "message_id": mail.message_id or None,
        "provider": taker.provider if taker else None,
        "queue_id": _queue_id(outcome),
        "recipients": [_recipient(each) for each in outcome.dispositions],
        "attempts": [_attempt(each) for each in outcome.attempts],
        "error": _error_of(outcome, was_interrupted=was_interrupted),
        "exit_code": exit_code,
    }


def _error_of(outcome: Outcome, *, was_interrupted: bool) -> dict[str, str] | None:
    if was_interrupted:
        return _error("interrupted", "The command was interrupted", "Run it again if need be")
    attempt = decisive(outcome)
    if attempt is None:
        return None
    finding = finding_of(attempt)
    return _error(finding.id, finding.title, finding.fix)


def composed_json(mail: Mail) -> dict[str, Any]:
    """Return the same object for a message that was composed and not sent."""
    unsent = {"verdict": None, "code": None, "enhanced": None, "text": ""}
    return {
        "schema": SCHEMA,
        "status": "composed",
        "message_id": mail.message_id or None,
        "provider": None,
        "queue_id": None,
        "sender": mail.envelope.sender,
        "size": len(mail.content),
        "recipients": [{"address": each} | unsent for each in mail.envelope.recipients],
        "attempts": [],
        "error": None,
        "exit_code": 0,
    }


def failure_json(identity: str, title: str, fix: str, exit_code: int) -> dict[str, Any]:
    """Return the same object for a command that did not get as far as a server."""
    return {
        "schema": SCHEMA,
        "status": Status.FAILED,
        "message_id": None,
        "provider": None,
        "queue_id": None,
        "recipients": [],
        "attempts": [],
        "error": _error(identity, title, fix),
        "exit_code": exit_code,
    }


def _error(identity: str, title: str, fix: str) -> dict[str, str]:
    return {"id": identity, "title": title, "fix": fix}


def _taker(outcome: Outcome) -> Attempt | None:
    took = {Status.ACCEPTED, Status.PARTIAL, Status.UNKNOWN}
    return next((each for each in reversed(outcome.attempts) if each.status in took), None)


def _queue_id(outcome: Outcome) -> str | None:
    from nexomailer_cli.smtp.queue_id import queue_id

    accepted = (d.reply for d in outcome.dispositions if d.verdict is Verdict.ACCEPTED)
    return queue_id(next(accepted, None))


def _recipient(disposition: Disposition) -> dict[str, Any]:
    reply = disposition.reply
    return {
        "address": disposition.recipient,
        "verdict": disposition.verdict,
        "code": reply.code if reply else None,
        "enhanced": (reply.enhanced or None) if reply else None,
        "text": reply.text if reply else disposition.reason,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    reply = attempt.reply
    return {
        "provider": attempt.provider,
        "host": attempt.host,
        "port": attempt.port or None,
        "tls": attempt.tls or None,
        "phase": attempt.phase,
        "verdict": attempt.status,
        "code": reply.code if reply else None,
        "enhanced": (reply.enhanced or None) if reply else None,
        "text": attempt.text,
        "elapsed_ms": round(attempt.elapsed * 1000),
    }


def explain(outcome: Outcome, output: Output) -> None:
    """Tell a person; nothing where all is well and nobody asked."""
    main = decisive(outcome)
    for attempt in outcome.attempts:
        if attempt is not main and _is_lasting(attempt):
            # It was skipped, and will be every time until somebody acts.
            finding = finding_of(attempt)
            output.warn(f"{attempt.provider}: {finding.title}")
            output.fact(output.indented(f"Fix: {finding.fix}"))
    if outcome.status is Status.ACCEPTED:
        _tell_success(outcome, output)
        return
    if outcome.status is not Status.FAILED:
        _tell_recipients(outcome, output)
    if main is not None:
        _tell_finding(finding_of(main), output)


def explain_interruption(outcome: Outcome, output: Output) -> None:
    """Say what is known of a mail when somebody pressed Ctrl-C."""
    match outcome.status:
        case Status.UNKNOWN:
            output.error("interrupted after the content had gone out: the mail may be delivered")
        case Status.ACCEPTED | Status.PARTIAL:
            output.error("interrupted: not every recipient has been served")
        case _:
            output.error("interrupted: the mail was not sent")
            return
    _tell_recipients(outcome, output)


def _is_lasting(attempt: Attempt) -> bool:
    return attempt.status is Status.FAILED and not finding_of(attempt).temporary


def _tell_success(outcome: Outcome, output: Output) -> None:
    taker = _taker(outcome)
    is_told = output.verbose or len(outcome.attempts) > 1
    if taker is None or not is_told:
        return
    queued = _queue_id(outcome)
    words = f"accepted by {taker.provider}" + (f", queued as {queued}" if queued else "")
    if len(outcome.attempts) > 1:
        output.note(words)
    else:
        output.detail(words)


def _tell_recipients(outcome: Outcome, output: Output) -> None:
    for each in outcome.dispositions:
        words = f"{each.recipient}: {each.verdict}"
        output.fact(f"{words}: {each.reply}" if each.reply else words)


def _tell_finding(finding: Finding, output: Output) -> None:
    from nexomailer_cli.cli.findings import finding_lines

    output.error(finding.title)
    for line in finding_lines(finding, output.indented):
        output.note(line)
