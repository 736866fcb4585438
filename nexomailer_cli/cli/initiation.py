"""The course of `config init`: answers from options or from a person, tried, written, told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nexomailer_cli.cli.asking import NOTHING_WRITTEN, Terminal, may_ask
from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.cli.init_draft import InitDraft
from nexomailer_cli.cli.init_options import InitOptions, answers_of, target_of
from nexomailer_cli.cli.sources import typed_address
from nexomailer_cli.config.file import find_config
from nexomailer_cli.errors import OutputError, UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

    from nexomailer_cli.cli.everywhere import Globals
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.probe.report import Report


def perform(options: InitOptions, everywhere: Globals) -> int:
    """Write a first configuration; return the exit status.

    Raises UsageError for what is missing or wrong, OutputError for what cannot be written.
    """
    path = target_of(options, everywhere.config)
    if options.yes:
        return _by_options(options, path, everywhere.output)
    if not may_ask() or options.as_json:
        raise UsageError(
            "there are questions to answer, and no terminal to ask them on",
            hint="--yes takes what the options say, as in: config init --preset gmail"
            " --user me@gmail.com --secret env:SMTP_PASS --yes",
        )
    return _by_questions(options, path, everywhere.output)


def _by_options(options: InitOptions, path: Path, output: Output) -> int:
    draft = InitDraft(answers_of(options), path)
    if not options.replaces and _is_there(path):
        raise OutputError(
            f"{printable(str(path))} exists already",
            hint="Nothing was written: --force writes over it, --config FILE writes another.",
        )
    draft.write(replaces=options.replaces)
    if not options.as_json:
        _tell_written(draft, output)
    report = draft.tried(output, is_told=not options.as_json) if options.connects else None
    status = report.exit_code if report else ExitStatus.OK
    if options.as_json:
        _write_json(draft, report, status, output)
    return status


def _by_questions(options: InitOptions, path: Path, output: Output) -> int:
    from nexomailer_cli.cli.init_questions import Questions
    from nexomailer_cli.cli.init_trial import settled

    terminal = Terminal(output)
    if _is_there(path) and not options.replaces:
        terminal.say(f"There is {printable(str(path))} already.")
        if not terminal.agrees("Write over it when all is answered?", default=False):
            raise UsageError(NOTHING_WRITTEN, hint="--config FILE writes another file.")
    terminal.say("A few questions; Ctrl-C ends them, and nothing is written before the last one.")
    questions = Questions(options, path, terminal)
    draft = settled(questions, terminal, output)
    draft.write(replaces=True)
    _tell_written(draft, output)
    return ExitStatus.OK


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


def _tell_written(draft: InitDraft, output: Output) -> None:
    answers = draft.answers
    output.note(f"Written: {printable(str(draft.path))}, readable by you only.")
    variable = answers.secret.get("env", "")
    if draft.keeps_password:
        where = answers.secret.get("file") or f"the keyring, as {answers.secret.get('keyring')}"
        output.note(f"The password is in {printable(str(where))}.")
    elif variable and variable not in os.environ:
        output.note(f"Before sending: export {printable(variable)}=... in the shell.")
    to = typed_address(answers.sender, "--from").spec if answers.sender else "you@example.com"
    option = _option_for(draft.path)
    output.note(f'Now: echo "Hello" | nexomailer send{option} --to {printable(to)} --subject Test')


def _option_for(path: Path) -> str:
    """Return how a command is told of the file, empty where it is found anyway."""
    found = find_config(None, os.environ)
    if found is not None and found.absolute() == path.absolute():
        return ""
    return f" --config {printable(str(path))}"


def _write_json(draft: InitDraft, report: Report | None, status: int, output: Output) -> None:
    import msgspec

    fields: dict[str, Any] = {
        "schema": "nexomailer.config-init/1",
        "path": str(draft.path),
        "provider": draft.answers.name,
        "connection": report,
        "exit_code": status,
    }
    output.result(msgspec.json.encode(fields).decode())
