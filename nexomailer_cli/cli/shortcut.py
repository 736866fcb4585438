"""The straight way past Typer, whose import and parsing take a third of a command's time.

Knows the options of `send`, `bulk` and `test-connection` in their plain forms only, and leaves
to `sendmail` its own. Anything else (help, an unknown option, a cluster such as `-vq`, a missing
value, a number out of the ordinary) is none of its business: Typer parses it again, from the
beginning, and says what is wrong. A test holds the tables here against Typer's own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from nexomailer_cli.cli.everywhere import Globals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from msgspec import Struct

    Options = TypeVar("Options", bound=Struct)

# What is given by its place and not by a name.
_POSITIONAL = ("target", "file")
# Between these no option finds a number too small or too large.
_ORDINARY = range(1, 1001)
# Kinds of options by their annotations; everything else is given once.
_KINDS = {"bool": "bool", "tuple[str, ...]": "many", "int": "number", "int | None": "number"}
# Attributes that are not called like their option.
_NAMES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_POSITIONAL, ()),
    "sender": ("--from",),
    "recipient": ("--rcpt",),
    "vars_file": ("--vars",),
    "output_file": ("--output", "-o"),
    "output": ("--output", "-o"),
    "yes": ("--yes", "-y"),
    "as_json": ("--json",),
    "as_ndjson": ("--ndjson",),
    "failover": ("--no-failover",),
    "alternatives": ("--no-alternatives",),
    "only_4": ("-4",),
    "only_6": ("-6",),
    "verbose": ("--verbose", "-v"),
    "quiet": ("--quiet", "-q"),
}


def option_names(attribute: str) -> tuple[str, ...]:
    """Return what is typed for an attribute of a command's options or Globals."""
    return _NAMES.get(attribute, ("--" + attribute.replace("_", "-"),))


def straight(arguments: Sequence[str]) -> Callable[[], int] | None:
    """Return what does as the command line says; `None` for what Typer has to look at."""
    at = _place_of_command(arguments)
    if at is None:
        return None
    # Behind the command the global options mean the same, and those that come later win.
    words = (*arguments[:at], *arguments[at + 1 :])
    # Imported here is only what the command works with anyway.
    match arguments[at]:
        case "send":
            return _send(words)
        case "bulk":
            return _bulk(words)
        case "test-connection":
            return _test_connection(words)
        case "sendmail":
            return _sendmail(arguments[:at], arguments[at + 1 :])
        case _:
            return None


def _place_of_command(arguments: Sequence[str]) -> int | None:
    """Return where the first word is that is neither a global option nor the value of one."""
    kinds = dict(_table(Globals))
    words = enumerate(arguments)
    for place, word in words:
        if not word.startswith("-"):
            return place
        option, equals, _ = word.partition("=")
        attribute, kind = kinds.get(option, ("", ""))
        if not attribute:
            return None
        if kind != "bool" and not equals:
            next(words, None)
    return None


def _send(words: Sequence[str]) -> Callable[[], int] | None:
    from nexomailer_cli.cli.send_options import SendOptions

    request = _understood(words, SendOptions)
    if request is None:
        return None
    from nexomailer_cli.cli.sending import perform

    return partial(perform, *request)


def _bulk(words: Sequence[str]) -> Callable[[], int] | None:
    from nexomailer_cli.cli.bulk_options import BulkOptions

    request = _understood(words, BulkOptions)
    if request is None:
        return None
    from nexomailer_cli.cli.bulking import perform

    return partial(perform, *request)


def _test_connection(words: Sequence[str]) -> Callable[[], int] | None:
    from nexomailer_cli.cli.probe_options import ProbeOptions, asked_of

    request = _understood(words, ProbeOptions)
    if request is None:
        return None
    from nexomailer_cli.cli.probing import perform

    options, everywhere = request
    return lambda: perform(asked_of(options), everywhere)


def _sendmail(before: Sequence[str], words: Sequence[str]) -> Callable[[], int] | None:
    """Return what does as sendmail would; its options are its own, and Typer would drop a `--`."""
    values = _values(before, Globals)
    if values is None or list(words) == ["--help"]:
        return None
    from nexomailer_cli.cli.sendmail_run import perform

    return partial(perform, words, Globals(**values))


def _understood(words: Sequence[str], options: type[Options]) -> tuple[Options, Globals] | None:
    values = _values(words, options)
    if values is None:
        return None
    everywhere = Globals.__annotations__.keys() & values.keys()
    return (
        options(**{name: value for name, value in values.items() if name not in everywhere}),
        Globals(**{name: values[name] for name in everywhere}),
    )


def _values(words: Sequence[str], options: type[Struct]) -> dict[str, Any] | None:
    kinds = dict(_table(options, Globals))
    placed = next((name for name in _POSITIONAL if name in options.__annotations__), "")
    values: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            if not placed or placed in values:
                return None
            values[placed] = word
            continue
        option, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        attribute, kind = kinds.get(option, ("", ""))
        if not attribute or (equals and kind == "bool"):
            return None
        if kind == "bool":
            values[attribute] = option != f"--no-{attribute}"
            continue
        given = value if equals else next(rest, None)
        # Typer too takes what follows for the value, whatever it looks like.
        if given is None or (kind == "number" and not _is_ordinary(given)):
            return None
        values[attribute] = _meant(kind, given, values.get(attribute, ()))
    is_missing = options.__annotations__.get(placed) == "str" and placed not in values
    return None if is_missing else values


def _is_ordinary(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text[:9]) in _ORDINARY


def _meant(kind: str, given: str, before: tuple[str, ...]) -> Any:
    """Return the value of an option that was given before, or not."""
    match kind:
        case "many":
            return (*before, given)
        case "number":
            return int(given)
        case _:
            return given


def _table(*blocks: type[Struct]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each option with its attribute and kind: `bool`, `number`, `one` or `many`."""
    for block in blocks:
        for attribute, annotation in block.__annotations__.items():
            kind = _KINDS.get(annotation, "one")
            for name in option_names(attribute):
                yield name, (attribute, kind)
