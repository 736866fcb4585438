"""A template file: an optional header block, an empty line, the body.

A mailmerge template works as it is. Knows what the parts of the file are, not what
becomes of them: values, rows and attachments are somebody else's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from msgspec import Struct

from nexomailer_cli.errors import TemplateError
from nexomailer_cli.message.template import Kind, Template

if TYPE_CHECKING:
    from collections.abc import Iterator

_KNOWN = {
    name.lower(): name
    for name in (
        *("From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Attachment", "Date"),
        *("Message-ID", "In-Reply-To", "References", "Comments", "Keywords", "Organization"),
        *("Importance", "Priority", "Precedence", "Auto-Submitted", "Errors-To", "Return-Path"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition"),
    )
}
_KNOWN_PREFIXES = ("x-", "list-")
# What the composer writes itself, from what the body is.
_COMPOSED = {"mime-version", "content-type", "content-transfer-encoding", "content-disposition"}
_FIELD = re.compile(r"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)

_KINDS: dict[str, Kind] = {
    "text/plain": "text",
    "text/markdown": "markdown",
    "text/html": "html",
}
_READABLE = {"", "7bit", "8bit", "binary"}
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
_TYPES_HINT = "Use text/plain, text/markdown or text/html; an Attachment header adds files."
_STRAY = "Conditions belong into the value of a header: one that comes out empty is left out."
_ENDINGS: dict[str, Kind] = {
    "md": "markdown",
    "markdown": "markdown",
    "html": "html",
    "htm": "html",
}


class TemplateFile(Struct, frozen=True):
    """What a template file says.

    `headers` are in the order of the file, names in their usual spelling. `body` renders to
    what `kind` says. `text` is the text part that belongs to it where the file has one: the
    same Markdown with values untouched, or the text/plain part of a multipart/alternative.
    """

    headers: tuple[tuple[str, Template], ...]
    body: Template
    kind: Kind
    text: Template | None = None


class _Field(Struct, frozen=True):
    name: str
    value: str
    line: int

    @property
    def is_known(self) -> bool:
        key = self.name.lower()
        return key in _KNOWN or key.startswith(_KNOWN_PREFIXES)


class _Part(Struct, frozen=True):
    """A header block and what follows it; `line` is the line of the file the body starts at."""

    fields: tuple[_Field, ...]
    body: str
    line: int

    def value_of(self, key: str) -> str:
        values = (field.value for field in self.fields if field.name.lower() == key)
        return next(values, "")

    @property
    def media_type(self) -> str:
        return self.value_of("content-type").partition(";")[0].strip().lower()


def parse_template_file(text: str, name: str) -> TemplateFile:
    """Take a template file apart; `name` is its name, whose ending decides the body's kind.

    A Content-Type in the header block has precedence over the ending. Without a header
    block, that is one with at least one field that mail knows, everything is body.
    Raises TemplateError.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    whole = _part(text, 1, name)
    headers = tuple(_header(field, name) for field in whole.fields if _is_header(field))
    if whole.media_type.startswith("multipart/"):
        return _alternatives(whole, headers, name)
    return _single(whole, headers, name)


def _is_header(field: _Field) -> bool:
    return field.name.lower() not in _COMPOSED


def _header(field: _Field, name: str) -> tuple[str, Template]:
    spelling = _KNOWN.get(field.name.lower(), field.name)
    return spelling, Template(field.value, name=name, line=field.line)


def _single(part: _Part, headers: tuple[tuple[str, Template], ...], name: str) -> TemplateFile:
    kind = _kind(part, name, _ENDINGS.get(name.rpartition(".")[2].lower(), "text"))
    body = Template(part.body, name=name, kind=kind, line=part.line)
    if kind != "markdown":
        return TemplateFile(headers, body, kind)
    return TemplateFile(headers, body, kind, Template(part.body, name=name, line=part.line))


def _kind(part: _Part, name: str, otherwise: Kind) -> Kind:
    media_type, encoding = part.media_type, part.value_of("content-transfer-encoding").lower()
    if encoding not in _READABLE:
        _refuse(name, part.line, f"the body is encoded as {encoding!r}; write it as plain text")
    if not media_type:
        return otherwise
    if media_type not in _KINDS:
        _refuse(name, part.line, f"a body cannot be of the type {media_type!r}", hint=_TYPES_HINT)
    return _KINDS[media_type]


def _alternatives(
    whole: _Part, headers: tuple[tuple[str, Template], ...], name: str
) -> TemplateFile:
    found: dict[Kind, Template] = {}
    for part in _parts(whole, name):
        kind = _kind(part, name, "text")
        if kind in found:
            _refuse(name, part.line, f"a second part of the same type, {kind}")
        found[kind] = Template(part.body, name=name, kind=kind, line=part.line)
    if whole.media_type != "multipart/alternative" or found.keys() != {"text", "html"}:
        _refuse(name, 1, f"a {whole.media_type} body needs one text and one HTML part")
    return TemplateFile(headers, found["html"], "html", found["text"])


def _parts(whole: _Part, name: str) -> Iterator[_Part]:
    boundary = _BOUNDARY.search(whole.value_of("content-type"))
    if boundary is None:
        _refuse(name, 1, "the Content-Type has no boundary")
    delimiter = re.escape("--" + (boundary[1] or boundary[2]))
    pieces = re.split(rf"(?m)^{delimiter}(--)?[ \t]*(?:\n|\Z)", whole.body)
    line = whole.line + pieces[0].count("\n")
    for is_last, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        line += 1
        if is_last:
            return
        without_header = piece.startswith("\n")
        yield _Part((), piece[1:], line + 1) if without_header else _part(piece, line, name)
        line += piece.count("\n")


def _part(text: str, line: int, name: str) -> _Part:
    lines = text.split("\n")
    end = next((index for index, content in enumerate(lines) if not content.strip()), len(lines))
    fields, strays = _fields(lines[:end], line)
    # A tag before the first header is a header block that is to vary, not a letter.
    is_letter = strays[:1] == [line] and not text.startswith("{")
    if is_letter or not any(field.is_known for field in fields):
        return _Part((), text, line)
    if strays:
        _refuse(name, strays[0], "neither a header nor the empty line before the body", hint=_STRAY)
    return _Part(fields, "\n".join(lines[end + 1 :]), line + end + 1)


def _fields(lines: list[str], first: int) -> tuple[tuple[_Field, ...], list[int]]:
    """Return the fields of a block, unfolded, and the line numbers of what is none."""
    fields: list[_Field] = []
    strays: list[int] = []
    for number, line in enumerate(lines, first):
        field = _FIELD.fullmatch(line)
        if field:
            fields.append(_Field(field[1], field[2].strip(), number))
        elif fields and line[0] in " \t":
            value = f"{fields[-1].value} {line.strip()}"
            fields[-1] = _Field(fields[-1].name, value, fields[-1].line)
        else:
            strays.append(number)
    return tuple(fields), strays


def _refuse(name: str, line: int, why: str, *, hint: str = "") -> NoReturn:
    raise TemplateError(f"{repr(name)[1:-1]}:{line}: {why}", hint=hint)
