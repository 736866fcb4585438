"""The options of `test-connection`: as they are typed, and what they ask for together."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Literal, cast

from msgspec import Struct

from nexomailer_cli.cli.quantities import octets_of, seconds_of
from nexomailer_cli.config import variables
from nexomailer_cli.config.secrets import MAX_SECRET_BYTES, Secret, terminal_prompt
from nexomailer_cli.errors import InputError, MessageError, UsageError
from nexomailer_cli.printable import printable
from nexomailer_cli.probe.target import Asked

Security = Literal["auto", "starttls", "implicit", "none"]
_SECURITIES = ("auto", "starttls", "implicit", "none")


class ProbeOptions(Struct, frozen=True, kw_only=True):
    """The options of `test-connection`, as they are typed."""

    target: str | None = None
    security: str = "auto"
    user: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    password_stdin: bool = False
    sender: str | None = None
    recipient: str | None = None
    size: str | None = None
    ca_file: str | None = None
    insecure: bool = False
    helo_name: str | None = None
    timeout: str | None = None
    only_4: bool = False
    only_6: bool = False
    alternatives: bool = True
    strict: bool = False
    mx: bool = False
    as_json: bool = False
    as_ndjson: bool = False


def asked_of(options: ProbeOptions) -> Asked:
    """Return what is asked for.

    Raises UsageError for what makes no sense, alone or together, and InputError for a file
    that is missing. Of the password it reads only what comes from standard input.
    """
    _check_together(options)
    secret, secret_source = _secret(options)
    return Asked(
        target=options.target,
        security=_security(options.security),
        user=options.user,
        secret=secret,
        secret_source=secret_source,
        sender=_address(options.sender, "--from", may_be_empty=True),
        recipient=_address(options.recipient, "--rcpt"),
        size=octets_of(options.size, "--size"),
        ca_file=_existing(options.ca_file),
        insecure=options.insecure,
        helo_name=_helo_name(options.helo_name),
        timeout=_timeout(options.timeout),
        ip_version=4 if options.only_4 else 6 if options.only_6 else None,
        alternatives=options.alternatives,
        strict=options.strict,
        mx=options.mx,
        form="json" if options.as_json else "ndjson" if options.as_ndjson else "words",
    )


# Of each row at most one may be there.
_EXCLUSIVE = (
    ("-4", "-6"),
    ("--json", "--ndjson"),
    ("--password-env", "--password-file", "--password-stdin"),
    ("--mx", "--user"),
    ("--mx", "--password-env"),
    ("--mx", "--password-file"),
    ("--mx", "--password-stdin"),
    ("--mx", "--security implicit"),
    ("--insecure", "--user"),
    ("--insecure", "--password-env"),
    ("--insecure", "--password-file"),
    ("--insecure", "--password-stdin"),
    ("--insecure", "--ca-file"),
    ("--insecure", "--security none"),
    ("--ca-file", "--security none"),
)
_ATTRIBUTES = {"-4": "only_4", "-6": "only_6", "--json": "as_json", "--ndjson": "as_ndjson"}
_WHY = {
    "--mx": "Mail exchangers take mail for their own domain on port 25, from everybody.",
    "--insecure": "It never sends a password, and takes any certificate.",
}


def _check_together(options: ProbeOptions) -> None:
    for names in _EXCLUSIVE:
        given = [name for name in names if _is_given(options, name)]
        if len(given) > 1:
            raise UsageError(
                f"{' and '.join(given)} do not go together", hint=_WHY.get(names[0], "")
            )
    if options.mx and not options.target:
        raise UsageError("--mx needs a domain", hint="As in: test-connection --mx example.com")


def _is_given(options: ProbeOptions, name: str) -> Any:
    option, _, value = name.partition(" ")
    present = getattr(options, _ATTRIBUTES.get(option, option[2:].replace("-", "_")))
    return present == value if value else present not in (None, False)


def _security(value: str) -> Security:
    if value not in _SECURITIES:
        raise UsageError(
            f"--security: “{printable(value)}” is not one of {', '.join(_SECURITIES)}",
            hint="implicit is TLS from the first byte, as on port 465.",
        )
    return cast("Security", value)


def _secret(options: ProbeOptions) -> tuple[Secret | None, str | None]:
    """Return where the password is, and that in a word that may be shown."""
    if options.user is not None and not (options.user and options.user.isprintable()):
        raise UsageError("--user: this is no user name: it is empty, or holds a control character")
    if options.password_env is not None:
        name = options.password_env
        if name not in os.environ:
            # Not what was typed: it may well be the password.
            raise UsageError(
                "--password-env: there is no environment variable of that name",
                hint="It takes the name, as in --password-env SMTP_PASS, and the variable must"
                " be exported.",
            )
        return Secret("env", (name,)), f"env:{name}"
    if options.password_file is not None:
        if not options.password_file:
            raise UsageError("--password-file: the name of the file is empty")
        return Secret("file", (variables.escape(options.password_file),)), "file"
    if options.password_stdin:
        return Secret("text", (variables.escape(_first_line()),)), "stdin"
    return (_asked_for(), "prompt") if options.user is not None else (None, None)


def _asked_for() -> Secret:
    if terminal_prompt() is None:
        raise UsageError(
            "--user: there is no terminal to ask for the password on",
            hint="Say where it is: --password-env VAR, --password-file FILE or --password-stdin.",
        )
    return Secret("prompt")


def _first_line() -> str:
    """Return the password from standard input; no more is read than a password may have."""
    if sys.stdin is None:
        raise InputError("--password-stdin: standard input is closed")
    if sys.stdin.isatty():
        raise UsageError(
            "--password-stdin: standard input is the terminal",
            hint="Leave it out: with --user alone you are asked, and nobody sees what you type.",
        )
    try:
        line = sys.stdin.buffer.readline(MAX_SECRET_BYTES + 1).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"--password-stdin: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # The exception quotes the password.
        raise UsageError("--password-stdin: what comes in is not UTF-8 text") from None
    password = line.rstrip("\r\n")
    if not password or len(line) > MAX_SECRET_BYTES:
        raise UsageError("--password-stdin: the first line is empty, or no password is that long")
    return password


def _address(value: str | None, option: str, *, may_be_empty: bool = False) -> str | None:
    if value is None:
        return None
    if may_be_empty and value == "<>":
        return ""  # the null reverse-path of RFC 5321 section 4.5.5
    from nexomailer_cli.cli.sources import typed_address

    return typed_address(value, option).spec


def _existing(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        found = Path(path).expanduser()
        with found.open("rb"):
            return str(found)
    except (OSError, RuntimeError, ValueError) as error:  # no home, a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"--ca-file: cannot read {printable(path)}: {printable(reason)}"
        ) from error


def _helo_name(name: str | None) -> str | None:
    if name is None:
        return None
    from nexomailer_cli.smtp import command

    try:
        command.ehlo(name)
    except MessageError as error:
        raise UsageError(
            f"--helo-name: {error}", hint="A host name, or an address in brackets."
        ) from error
    return name


def _timeout(value: str | None) -> float | None:
    seconds = seconds_of(value, "--timeout")
    if seconds == 0:
        raise UsageError("--timeout: nothing answers in no time")
    return seconds
