"""What follows when the draft of a configuration was tried: write it, or change something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from nexomailer_cli.cli.asking import NOTHING_WRITTEN
from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.errors import NexomailerError, UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.cli.asking import Terminal
    from nexomailer_cli.cli.init_draft import InitDraft
    from nexomailer_cli.cli.init_questions import Questions
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.probe.report import Recommended, Report

    Change = tuple[str, Callable[[], "InitDraft | None"]]


def settled(questions: Questions, terminal: Terminal, output: Output) -> InitDraft:
    """Ask, try and ask again until a draft works or is wanted as it is; return it.

    Raises UsageError where nothing is to be written.
    """
    draft = questions.draft()
    while (report := _tried(draft, terminal, output)) != ExitStatus.OK:
        found = report if not isinstance(report, int) else None
        changes = list(_changes(draft, found, questions))
        number = terminal.choose("What now?", [text for text, _ in changes])
        changed = changes[number][1]()
        if changed is None:
            break
        draft = changed
    return draft


def _tried(draft: InitDraft, terminal: Terminal, output: Output) -> Report | int:
    """Return 0 for a server that takes the draft, or was not asked; else what it says."""
    if draft.lacks_secret:
        terminal.say("Without a password it is not tried.")
        return ExitStatus.OK
    terminal.say("")
    try:
        report = draft.tried(output)
    except NexomailerError as error:
        output.error(printable(str(error)))
        return ExitStatus.CONFIG
    terminal.say("")
    if report.exit_code == ExitStatus.INTERRUPTED:
        raise KeyboardInterrupt
    return report if report.exit_code else ExitStatus.OK


def _changes(draft: InitDraft, report: Report | None, questions: Questions) -> list[Change]:
    """Return what could be done about it, the likeliest first."""
    changes: list[Change] = []
    if report is not None and report.ready.trusted is False:
        text = "name the certificate of its authority: the server is my own"
        changes.append((text, lambda: questions.with_authority(draft)))
    if report is not None and (better := report.recommended) is not None:
        how = "TLS from the first byte" if better.security == "implicit" else "STARTTLS"
        text = f"use port {better.port} with {how}, which answers"
        changes.append((text, lambda: _moved(draft, better)))
    if report is not None and report.exit_code == ExitStatus.NO_PERMISSION:
        changes += [
            ("type the password again", lambda: questions.with_password(draft)),
            ("change the user name and the password", lambda: questions.with_user(draft)),
        ]
    elif report is not None:
        changes.append(("try once more", lambda: draft))
    return [
        *changes,
        ("answer all questions again", questions.draft),
        ("write it as it is", lambda: None),
        ("end, and write nothing", _end),
    ]


def _moved(draft: InitDraft, better: Recommended) -> InitDraft:
    is_implicit = better.security == "implicit"
    answers = structs.replace(draft.answers, port=better.port, secure=is_implicit)
    return structs.replace(draft, answers=answers)


def _end() -> InitDraft:
    raise UsageError(NOTHING_WRITTEN)
