"""Text with places for values, rendered once per message.

Jinja2's language by way of minijinja. Knows no files, no rows and no mail: a template
gets values and gives text. Line breaks in a value come out as they went in; whoever
makes a header of the text decides about them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal

from nexomailer_cli.errors import TemplateError
from nexomailer_cli.message.straight import Straight, escaper, straight
from nexomailer_cli.message.vocabulary import unknown_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import minijinja

Kind = Literal["text", "markdown", "html"]

# One rendered template, in characters. What the mail grows from it is several copies of
# this; no provider takes a message of that size.
MAX_RENDERED = 32 * 1024 * 1024

# Instructions of minijinja's machine; one trip around a small loop takes about ten.
MAX_FUEL = 1_000_000
# Text between two tags costs one instruction whatever its length, so long text buys less fuel.
MAX_LOOPED_TEXT = 1024 * 1024 * 1024

# minijinja's parser recurses along a chain such as `a|b|c…` or `---…1` and along `elif`, and
# a chain of 2000 (500 for `elif`) overflows a stack of 512 KiB, which no `except` catches.
_ENDLESS_TAG = re.compile(
    r"""\{[{%](?>"(?:[^"\\]|\\.){0,4096}+"|'(?:[^'\\]|\\.){0,4096}+'|(?![%}]\}).){1000}+""",
    re.DOTALL,
)
_ELIF = re.compile(r"\{%[-+]?\s*elif\b")
MAX_ELIFS = 200

_TAG_BORDER = re.compile(r"\{[{%#]|[}%#]\}")
_UNKNOWN = re.compile(r"`(.*)` is undefined", re.DOTALL)

# Numeric references mean the character itself and never structure, both in CommonMark
# (section 2.5) and in the raw HTML that Markdown may contain; a backslash does not hold in the
# latter. Left alone: what occurs in URLs and cannot begin anything.
_MARKDOWN_ESCAPES = {ord(char): f"&#{ord(char)};" for char in "\\`*_{}[]<>()#+-=.!|~&\"'"}


class Template:
    """A parsed template.

    `kind` decides what is done to values, which are never rendered themselves: nothing for
    text; escaped for HTML; for Markdown, made to mean themselves and no markup (inside code
    spans and `<autolinks>` the escapes show). `name` and `line`, that of the first line, are
    for messages. Not for two threads at once. Raises TemplateError for bad syntax and for a filter
    or a test that there is not.

    A template is its author's program. Loops, recursion, repetition and output are bounded
    and it reaches neither files nor Python objects, but one that doubles a string forty times
    runs out of memory: render templates of people who may also run commands.
    """

    __slots__ = (
        *("_environment", "_fuel", "_line", "_name", "_size"),
        *("kind", "source", "straight", "variables"),
    )

    source: str
    straight: Straight | None
    """What is filled without minijinja, if the template is that simple."""
    variables: frozenset[str]
    """The names it reads, also those with a default."""

    def __init__(self, source: str, *, name: str, kind: Kind = "text", line: int = 1) -> None:
        self.source = source
        self.kind = kind
        self._name = name
        self._line = line
        self._size = 0
        self._refuse_endless_chains()
        self._environment = _environment(kind, self._measured)
        self._fuel = _fuel(source)
        self.variables = self._parsed()
        self.straight = straight(source, self._environment.globals.keys(), _escape(kind))

    @property
    def name(self) -> str:
        """What messages call it: a file, or an option."""
        return self._name

    def line_of(self, name: str) -> int:
        """Return the line on which a name seems to be used first."""
        found = re.search(
            rf"\{{[{{%](?:(?![%}}]\}}).)*?\b{re.escape(name)}\b", self.source, re.DOTALL
        )
        return self._line + (self.source.count("\n", 0, found.end()) if found else 0)

    def __repr__(self) -> str:
        return f"<Template {self._name}:{self._line}>"

    def render(self, values: Mapping[str, object]) -> str:
        """Return the text with `values` in it.

        Raises TemplateError when a name has no value, or when it becomes too much.
        """
        if self.straight is not None:
            filled = self.straight.fill(values)
            if filled is not None and len(filled) <= MAX_RENDERED:
                return filled
        return self._run(values)

    def _run(self, values: Mapping[str, object]) -> str:
        import minijinja

        self._size = 0
        self._environment.fuel = self._fuel
        try:
            text = self._environment.render_template("template", **values)
        except minijinja.TemplateError as error:
            raise self._explained(error, values) from None
        if len(text) > MAX_RENDERED:
            raise self._too_much()
        return text

    def _parsed(self) -> frozenset[str]:
        import minijinja

        try:
            self._environment.add_template("template", self.source)
            names = self._environment.undeclared_variables_in_template("template")
        except minijinja.TemplateError as error:
            raise self._explained(error, {}) from None
        except UnicodeEncodeError:
            raise TemplateError(f"{self._place(1)}: the template is not valid Unicode") from None
        for line, complaint in unknown_words(self.source):
            raise TemplateError(f"{self._place(line)}: {complaint}")
        return frozenset(names) - self._environment.globals.keys()

    def _refuse_endless_chains(self) -> None:
        endless = _ENDLESS_TAG.search(self.source)
        if endless:
            line = 1 + self.source.count("\n", 0, endless.start())
            raise TemplateError(f"{self._place(line)}: this tag is not closed, or longer than 1000")
        if len(_ELIF.findall(self.source)) > MAX_ELIFS:
            raise TemplateError(f"{self._place(1)}: more than {MAX_ELIFS} elif in one template")

    def _measured(self, value: object) -> object:
        """Count what goes out before it does: running out of memory inside Rust is an abort."""
        if value is None or isinstance(value, (int, float)):
            return value
        text = value if isinstance(value, str) else str(value)
        self._size += len(text)
        if self._size > MAX_RENDERED:
            raise self._too_much()
        return text

    def _too_much(self) -> TemplateError:
        return TemplateError(
            f"{self._place(1)}: the rendered text is larger than {MAX_RENDERED:,} characters",
            hint="Look for a loop that does not end, or for a value that is far too long.",
        )

    def _place(self, line: int) -> str:
        return f"{repr(self._name)[1:-1]}:{self._line + line - 1}"

    def _explained(
        self, error: minijinja.TemplateError, values: Mapping[str, object]
    ) -> TemplateError:
        place, detail = self._place(error.line or 1), error.detail or error.message
        unknown = _UNKNOWN.search(detail)
        if error.kind == "UndefinedError" and unknown:
            return _unknown_name(place, unknown[1], values)
        if error.kind == "OutOfFuel":
            return TemplateError(f"{place}: the template does too much work; is a loop endless?")
        if error.kind == "TemplateNotFound":
            return TemplateError(f"{place}: a template cannot include or extend another file")
        return TemplateError(f"{place}: {repr(detail)[1:-1]}")


def _environment(kind: Kind, measured: Callable[[object], object]) -> minijinja.Environment:
    import minijinja

    def harmless(value: object) -> object:
        value = measured(value)
        if not isinstance(value, str) or isinstance(value, minijinja.Markup):
            return value
        return minijinja.Markup(value.translate(_MARKDOWN_ESCAPES))

    # With escaping on, what a macro returns is marked as done and not escaped twice; Markdown
    # needs those marks too, so it escapes as HTML does, with `harmless` always faster.
    return minijinja.Environment(
        undefined_behavior="strict",
        auto_escape_callback=lambda _: kind != "text",
        keep_trailing_newline=True,
        finalizer=harmless if kind == "markdown" else measured,
    )


@cache
def _escape(kind: Kind) -> Callable[[str], str] | None:
    """Return what the environment of this kind does to a value."""
    import minijinja

    match kind:
        case "text":
            return None
        case "html":
            # Asked of minijinja, whose releases differ.
            escaped = ((char, minijinja.escape(char)) for char in map(chr, range(128)))
            return escaper({ord(char): text for char, text in escaped if text != char})
        case "markdown":
            return escaper(_MARKDOWN_ESCAPES)


def _fuel(source: str) -> int:
    pieces = _TAG_BORDER.split(source)
    straight = 1000 + 16 * len(pieces)
    return max(straight, min(MAX_FUEL, MAX_LOOPED_TEXT // max(1, *map(len, pieces))))


def _unknown_name(place: str, name: str, values: Mapping[str, object]) -> TemplateError:
    message = f"{place}: there is no value called {name!r}"
    close = closest(name, values)
    if close:
        message += f"; did you mean {close!r}?"
    known = ", ".join(repr(name)[1:-1] for name in sorted(values)[:20])
    return TemplateError(message, hint=f"Known here: {known}." if known else "")


def closest(name: str, known: Iterable[str]) -> str:
    """Return the known name that somebody may have meant, or nothing."""
    from difflib import get_close_matches

    folded = {key.casefold().replace(" ", "_"): key for key in known}
    close = get_close_matches(name.casefold(), folded, n=1)
    return folded[close[0]] if close else ""
