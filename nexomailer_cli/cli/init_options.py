"""The options of `config init`, and the first configuration that they ask for by themselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from msgspec import Struct

from nexomailer_cli.cli.config_text import Answers
from nexomailer_cli.cli.sources import typed_address
from nexomailer_cli.config.file import CONFIG_VARIABLE, HERE, users_config
from nexomailer_cli.config.preset_filling import with_preset
from nexomailer_cli.config.presets import find_preset, preset_of_domain, preset_of_host
from nexomailer_cli.config.secret_value import read_secret
from nexomailer_cli.errors import InputError, UsageError
from nexomailer_cli.printable import printable

SECURITIES: dict[str, dict[str, Any]] = {
    "auto": {},
    "implicit": {"secure": True},
    "starttls": {"starttls": "required"},
    "none": {"starttls": "never"},
}
_PLAIN = "password"  # what a secret is called where a service has no word of its own
WAYS = "env:VARIABLE, file:PATH, command:'pass show smtp', keyring:SERVICE or prompt"


class InitOptions(Struct, frozen=True, kw_only=True):
    """What was typed; `None` is what was not."""

    preset: str | None = None
    host: str | None = None
    security: str = "auto"
    user: str | None = None
    sender: str | None = None
    name: str | None = None
    secret: str | None = None
    ca_file: str | None = None
    for_user: bool = False
    replaces: bool = False
    connects: bool = False
    yes: bool = False
    as_json: bool = False


def target_of(options: InitOptions, config: str | None) -> Path:
    """Return the file to write: the one named, the user's, or the one in this directory."""
    named = config or os.environ.get(CONFIG_VARIABLE)
    if not options.for_user:
        return Path(named) if named else HERE
    own = users_config(os.environ)
    if own is None:
        raise UsageError("--global: $HOME does not say where your home directory is")
    return own


def answers_of(options: InitOptions) -> Answers:
    """Return what the options say together; raise UsageError for what is missing or wrong."""
    preset = preset_name(options.preset) if options.preset is not None else ""
    server = server_of(options.host, options.security) if options.host is not None else {}
    if not preset and not server:
        raise UsageError(
            "which mail server? There is neither --preset nor --host",
            hint="As in --preset gmail, or --host smtp.example.com:587.",
        )
    user = options.user or _usual_user(preset, options.sender)
    secret = secret_of(options.secret) if options.secret is not None else {}
    known = find_preset(preset)
    if not user and known and (known.user_form or known.secret != _PLAIN):
        raise UsageError("who signs in? There is no --user", hint=known.note)
    if user and not secret:
        raise UsageError("where is the password? There is no --secret", hint=f"Write {WAYS}.")
    if secret and not user:
        raise UsageError("there is a password, but nobody it belongs to", hint="Add --user NAME.")
    return Answers(
        name=options.name or preset or "main",
        sender=sender_of(options.sender, user),
        preset=preset,
        user=user,
        secret=secret,
        ca_file=readable(options.ca_file) if options.ca_file else "",
        **server,
    )


def _usual_user(preset: str, sender: str | None) -> str:
    """Return the user name that follows from the service, empty if none does."""
    known = find_preset(preset)
    if known is None:
        return ""
    if known.user_form == "address" and sender:
        return typed_address(sender, "--from").spec
    return known.user


def sender_of(typed: str | None, user: str) -> str:
    """Return the standing sender: the one named, or a user who is an address."""
    if typed:
        typed_address(typed, "--from")
        return typed
    return user if "@" in user else ""


def preset_name(typed: str) -> str:
    """Return the name of a known service; raise UsageError, which knows what was meant."""
    name = typed.strip().lower()
    _, complaint = with_preset({"preset": name})
    if complaint:
        raise UsageError(f"--preset: {complaint}")
    return name


def server_of(typed: str, security: str) -> dict[str, Any]:
    """Return the keys that lead to a server typed as `host` or `host:port`; raise UsageError."""
    from nexomailer_cli.probe.typed import read_target

    if security not in SECURITIES:
        raise UsageError(
            f"--security: “{printable(security)}” is not one of {', '.join(SECURITIES)}",
            hint="implicit is TLS from the first byte, as on port 465.",
        )
    if "://" in typed or "@" in typed:
        raise UsageError("--host: write a host name, or host:port", hint="As in smtp.example.com.")
    target = read_target(typed)
    port = {} if target.port is None else {"port": target.port}
    return {"host": target.host, **port, **SECURITIES[security]}


def secret_of(typed: str) -> dict[str, Any]:
    """Return the table for `env:VAR` and its like; raise UsageError, which quotes nothing."""
    tag, _, value = typed.partition(":")
    try:
        table = {"prompt": True} if typed == "prompt" else {tag: _taken(tag, value)}
        read_secret(table, base=None)
    except ValueError as error:
        # Not what was typed: it may well be the password.
        raise UsageError(f"--secret: {error}", hint=f"Write {WAYS}.") from None
    return table


def _taken(tag: str, value: str) -> str | list[str]:
    import shlex

    if tag == "command":
        return shlex.split(value)
    # From wherever the command is run, it is this file that was meant.
    is_relative = tag == "file" and value and not value.startswith(("~", "${"))
    return os.path.abspath(value) if is_relative else value  # noqa: PTH100


def readable(path: str) -> str:
    """Return the absolute path of a file that can be read; raise InputError."""
    try:
        found = Path(path).expanduser()
        with found.open("rb"):
            return str(found.absolute())
    except (OSError, RuntimeError, ValueError) as error:  # no home, a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"--ca-file: cannot read {printable(path)}: {printable(reason)}"
        ) from error


def service_of(address: str) -> str:
    """Return the service where an address has its mailbox, empty if it is not known."""
    return preset_of_domain(address.rpartition("@")[2])


def service_at(host: str) -> str:
    """Return the service whose server a host is, empty if it is nobody's in particular."""
    return preset_of_host(host)
