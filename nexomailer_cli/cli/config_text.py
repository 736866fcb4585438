"""A first configuration as the text of a file: only what was said, each key explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nexomailer_cli.config import variables
from nexomailer_cli.config.keys import keys_of
from nexomailer_cli.config.presets import find_preset
from nexomailer_cli.config.settings import Defaults, Provider, SmtpConfig, Tls
from nexomailer_cli.config.sign_in import Auth

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# Written by `nexomailer config init`. `nexomailer config check --connect` tries it, and
# `nexomailer config show` prints everything that is in force. Of several [[providers]] the next
# one takes over where one fails. `nexomailer config schema` is for editors.
"""


class Answers(Struct, frozen=True, kw_only=True):
    """What a first configuration says; what is empty is left out of it.

    `secret` is a table as the file has it, such as `{"env": "SMTP_PASS"}`.
    """

    name: str
    sender: str = ""
    preset: str = ""
    host: str = ""
    port: int | None = None
    secure: bool | None = None
    starttls: str = ""
    user: str = ""
    secret: dict[str, Any] = {}
    ca_file: str = ""


def text_of(answers: Answers) -> str:
    """Return the text of a configuration file."""
    return _HEAD + "".join(_sections(answers))


def _sections(answers: Answers) -> Iterator[str]:
    preset = find_preset(answers.preset)
    user = "" if preset and preset.user == answers.user else answers.user
    yield _section("[defaults]", Defaults, {"from": answers.sender})
    yield _section("[[providers]]", Provider, {"name": answers.name, "preset": answers.preset})
    if preset and preset.note:
        yield f"# {preset.note}\n"
    server = {
        "host": answers.host,
        "port": answers.port,
        "secure": answers.secure,
        "starttls": answers.starttls,
    }
    yield _section("[providers.config]", SmtpConfig, server)
    if answers.secret:
        yield _section("[providers.config.auth]", Auth, {"user": user, "pass": answers.secret})
    yield _section("[providers.config.tls]", Tls, {"ca_file": answers.ca_file})


def _section(header: str, block: type[Struct], values: dict[str, Any]) -> str:
    said = {name: value for name, value in values.items() if value not in ("", None)}
    if not said:
        return ""
    descriptions = {key.name: key.description for key in keys_of(block)}
    lines = [f"# {descriptions[name]}\n{name} = {_inline(said[name])}\n" for name in said]
    return f"\n{header}\n{''.join(lines)}"


def _inline(value: Any) -> str:
    """Return a value on one line: of text, what it means and not what a variable would."""
    if isinstance(value, dict):
        # What stands in the table of a secret was written for it, variables included.
        pairs = [f"{name} = {_written(inner)}" for name, inner in value.items()]
        return f"{{ {', '.join(pairs)} }}"
    return _written(variables.escape(value) if isinstance(value, str) else value)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    import tomli_w

    return tomli_w.dumps({"value": value}).partition(" = ")[2].strip()
