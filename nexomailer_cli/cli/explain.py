"""Say what a server's refusal or a program's error means, and what cures it."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.cli.options import (
    AsJson,
    ConfigPath,
    Debug,
    NoColor,
    Quiet,
    Verbose,
    Version,
    settle,
)
from nexomailer_cli.errors import UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.probe.diagnosis import Finding
    from nexomailer_cli.probe.recognition import Recognised

SCHEMA = "nexomailer.explain/1"
# A day of a busy server's log; what is behind it would take minutes to read.
MAX_OCTETS = 2_000_000

Text = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEXT]...", help="Reply, transcript, log or id; default: stdin."),
]
PhaseName = Annotated[
    str | None,
    typer.Option("--phase", metavar="PHASE", help="Where it happened, such as auth or rcpt."),
]
Host = Annotated[
    str | None, typer.Option("--host", metavar="HOST[:PORT]", help="The server that said it.")
]
ListAll = Annotated[bool, typer.Option("--list", help="Every id with its heading.")]


def explain(
    context: typer.Context,
    text: Text = None,
    phase: PhaseName = None,
    host: Host = None,
    list_all: ListAll = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Say what a server's refusal or a program's error means, and what cures it.

    Takes a reply ("535 5.7.8 ..."), a transcript, a log or an error of any mail program, or
    an id such as auth.app_password_needed. Nothing is sent, and no secret in it is repeated.
    """
    output = settle(context, Globals(config, verbose, quiet, no_color, debug)).output
    if list_all:
        found = _everything()
    else:
        known = _phase(phase)
        found = _found(_pasted(text or (), output), known, host or "")
    status = ExitStatus.OK if found else ExitStatus.REFUSED
    if as_json:
        _write_json(found, status, output)
    elif list_all:
        _tell_list(found, output)
    else:
        _tell(found, output)
    raise typer.Exit(status)


def _phase(name: str | None) -> str:
    from nexomailer_cli.smtp.outcome import Phase

    if name and name not in set(Phase):
        raise UsageError(f"--phase: “{printable(name)}” is none of {', '.join(Phase)}")
    return name or ""


def _pasted(arguments: "Sequence[str]", output: "Output") -> str:
    from nexomailer_cli.cli.sources import read_stdin, stdin_is_piped

    if arguments and list(arguments) != ["-"]:
        # What was quoted is a line of its own; without quotes a line comes in many words.
        return ("\n" if any(" " in each for each in arguments) else " ").join(arguments)
    if not arguments and not stdin_is_piped():
        raise UsageError(
            "there is nothing to explain",
            hint='Give the text, nexomailer explain "535 5.7.8 ...", or pipe it in.',
        )
    content = read_stdin("TEXT")
    if len(content) > MAX_OCTETS:
        output.warn(f"only the first {MAX_OCTETS // 1_000_000} MB are read")
    return content[:MAX_OCTETS].decode("utf-8", "backslashreplace")


def _found(text: str, phase: str, host: str) -> "tuple[Recognised, ...]":
    from nexomailer_cli.probe.recognition import recognise

    if not text.strip():
        raise UsageError("there is nothing to explain: the text is empty")
    if identified := _identified(text.split()):
        return identified
    name, port = _server(host)
    return recognise(text, phase=phase, host=name, port=port)


def _server(host: str) -> tuple[str, int | None]:
    name, colon, port = host.rpartition(":")
    # More colons than one are an IPv6 address, unless it stands in brackets.
    if not colon or not port.isdecimal() or (":" in name and not name.endswith("]")):
        return host, None
    return name, int(port)


def _identified(words: "list[str]") -> "tuple[Recognised, ...]":
    from nexomailer_cli.probe.diagnosis import described
    from nexomailer_cli.probe.recognition import Recognised

    # An id is one word, in lower case with a dot; a log has more.
    if len(words) > 20 or not all("." in word or word == "unknown" for word in words):
        return ()
    findings = [(word, described(word)) for word in words]
    if not all(finding for _, finding in findings):
        return ()
    return tuple(Recognised(word, finding) for word, finding in findings if finding)


def _everything() -> "tuple[Recognised, ...]":
    from nexomailer_cli.probe.diagnosis import all_findings
    from nexomailer_cli.probe.recognition import Recognised

    return tuple(Recognised(finding.id, finding) for finding in all_findings())


def _tell_list(found: "tuple[Recognised, ...]", output: "Output") -> None:
    width = max(len(each.finding.id) for each in found)
    lines = (f"{each.finding.id:<{width}}  {each.finding.heading}" for each in found)
    output.result("\n".join(lines))


def _tell(found: "tuple[Recognised, ...]", output: "Output") -> None:
    if not found:
        output.error("nothing was recognised in that text")
        output.note(
            "Give the server's reply with its code, or the error as the program printed it; "
            "nexomailer explain --list shows what is known."
        )
        return
    output.result("\n\n".join("\n".join(lines) for lines in _paragraphs(found, output)))


def _paragraphs(found: "tuple[Recognised, ...]", output: "Output") -> "Iterator[list[str]]":
    told: set[str] = set()
    for each in found:
        finding = each.finding
        first = [each.input] if each.input != finding.id else []
        if finding.id in told:
            yield [*first, f"  (as above: {finding.id})"]
            continue
        told.add(finding.id)
        yield [*first, finding.heading, *_below(finding, output)]


def _below(finding: "Finding", output: "Output") -> "Iterator[str]":
    from nexomailer_cli.cli.findings import finding_lines

    is_read_here = sys.stdout is not None and sys.stdout.isatty()
    indented = output.indented if is_read_here else "  {}".format
    yield from finding_lines(finding, indented, f"; {_duration(finding)}")


def _duration(finding: "Finding") -> str:
    from nexomailer_cli.probe.severity import Severity

    if finding.severity is not Severity.FAIL:
        return "mail can be sent all the same"
    if not finding.retry_after:
        return "not temporary"
    minutes = finding.retry_after // 60
    span = f"{minutes} min" if minutes < 60 else f"{minutes // 60} h"
    return f"temporary, mostly for {span}"


def _write_json(found: "tuple[Recognised, ...]", status: ExitStatus, output: "Output") -> None:
    import msgspec

    findings = [_as_json(each) for each in found]
    told = {"schema": SCHEMA, "findings": findings, "exit_code": status}
    output.result(msgspec.json.encode(told).decode())


def _as_json(recognised: "Recognised") -> dict[str, Any]:
    finding = recognised.finding
    return {
        "input": recognised.input,
        "id": finding.id,
        "heading": finding.heading,
        "title": finding.title,
        "meaning": finding.meaning,
        "fix": finding.fix,
        "config": finding.config,
        "temporary": finding.temporary,
        "retry_after_s": finding.retry_after,
        "exit_code": finding.exit_status,
    }
