"""Bodies (RFC 2045, RFC 2046): text, attachments, and how they nest.

    mixed
      alternative
        text/plain
        related
          text/html
          inline parts, shown by `cid:`
      attachments

A level with one member is left out. Knows no header but the `Content-` ones.
"""

from __future__ import annotations

import binascii
import re
from functools import cache
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from msgspec import Struct

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message.characters import shown
from nexomailer_cli.message.check import check_lines
from nexomailer_cli.message.header import MAX_LINE
from nexomailer_cli.message.identity import boundary_mark
from nexomailer_cli.message.parameter import filename_parameters

if TYPE_CHECKING:
    from nexomailer_cli.message.draft import Attachment, Draft

_PLAIN: Final = b"\t\n" + bytes(range(0x20, 0x7F))
_NOT_QUOTED: Final = _PLAIN.replace(b"=", b"")
_WORD: Final = r"[A-Za-z0-9!#$&^_.+'*`|~{}%-]+"
_MEDIA_TYPE: Final = re.compile(rf'{_WORD}/{_WORD}(?: *; *{_WORD}=(?:{_WORD}|"[ !#-\[\]-~]*"))*')
_CONTENT_ID: Final = re.compile(r"[!-;=?-~]{1,200}")
_COLUMNS: Final = 76  # of base64, RFC 2045 section 6.8


class Part(Struct, frozen=True):
    """A body part, ready to be joined: its `Content-` fields, and its body in pieces.

    `head` ends each field with CRLF. The pieces of an attachment are shared with every
    other message that carries it.
    """

    names: tuple[str, ...]
    head: bytes
    pieces: tuple[bytes, ...]


_LEAF: Final[tuple[str, ...]] = ("Content-Type", "Content-Transfer-Encoding")
# An attachment is encoded once however many messages carry it, and forgotten with it.
_ENCODED: Final[WeakKeyDictionary[Attachment, Part]] = WeakKeyDictionary()


def body_part(draft: Draft, seed: str) -> Part:
    """Return the whole body of a message; `seed`, its Message-ID, decides the boundaries."""
    texts = text_parts(draft)
    if len(texts) == 1 and not draft.attachments:
        return texts[0]
    mark = boundary_mark(seed, [text.pieces[0] for text in texts], wanted=draft.boundary)
    return nested(draft, texts, mark)


def nested(draft: Draft, texts: list[Part], mark: str) -> Part:
    """Return the texts of a draft, and its attachments around them, as one part."""
    if not draft.attachments:
        return texts[0] if len(texts) == 1 else _multipart("alternative", texts, mark)
    inline = [each for each in draft.attachments if each.content_id and draft.html is not None]
    _refuse_ambiguous(inline)
    if inline:
        shown_in_html = [attachment_part(each) for each in inline]
        texts = [*texts[:-1], _multipart("related", [texts[-1], *shown_in_html], mark)]
    whole = texts[0] if len(texts) == 1 else _multipart("alternative", texts, mark)
    rest = [attachment_part(each) for each in draft.attachments if each not in inline]
    return _multipart("mixed", [whole, *rest], mark) if rest else whole


def attachment_part(attachment: Attachment) -> Part:
    """Return an attachment as base64, encoded the first time it is asked for.

    `message/*` and `multipart/*` must not be base64 (RFC 2046 section 5) and go as
    application/octet-stream: so the attached message arrives byte for byte, signatures
    included, and opens by the ending of its name.
    """
    part = _ENCODED.get(attachment)
    if part is None:
        part = _ENCODED[attachment] = _encode(attachment)
    return part


def text_parts(draft: Draft) -> list[Part]:
    """Return the text and the HTML of a draft; one without either has an empty text."""
    texts = [] if draft.text is None else [text_part(draft.text, "plain")]
    if draft.html is not None:
        texts.append(text_part(draft.html, "html"))
    return texts or [text_part("", "plain")]


def _refuse_ambiguous(inline: list[Attachment]) -> None:
    if len({each.content_id for each in inline}) < len(inline):
        names = ", ".join(shown(each.content_id) for each in inline)
        raise MessageError(f"two inline parts have the same content id: {names}")


def text_part(text: str, subtype: str) -> Part:
    """Return a text as `text/<subtype>`, in the encoding that leaves it most readable."""
    try:
        data = text.encode()
    except UnicodeEncodeError as exc:
        raise MessageError(
            f"the {subtype} body is not valid Unicode at character {exc.start + 1}",
            hint="Save the file as UTF-8.",
        ) from exc
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.endswith(b"\n"):
        data += b"\n"
    encoding, body = _encode_text(data)
    return Part(_LEAF, _text_head(subtype, encoding), (body,))


@cache
def _text_head(subtype: str, encoding: str) -> bytes:
    return (
        f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    ).encode()


def _encode_text(data: bytes) -> tuple[str, bytes]:
    if data.isascii() and not data.translate(None, _PLAIN) and not has_long_line(data):
        return "7bit", data.replace(b"\n", b"\r\n")
    # Within a few octets of what the two would come to, at a tenth of the cost.
    quoted = len(data) + 2 * len(data.translate(None, _NOT_QUOTED)) + len(data) // 25
    if quoted <= len(data) * 4 // 3:
        return "quoted-printable", binascii.b2a_qp(data).replace(b"\n", b"\r\n")
    return "base64", _base64(data.replace(b"\n", b"\r\n"))


def has_long_line(data: bytes) -> bool:
    """Tell whether a line, ended by LF, has more than 998 octets before its CRLF or LF."""
    start, end = 0, len(data)
    while end - start > MAX_LINE:
        newline = data.rfind(b"\n", start, start + MAX_LINE + 1)
        if newline < 0:
            return True
        start = newline + 1
    return False


def _encode(attachment: Attachment) -> Part:
    fields = [
        f"Content-Type: {_media_type(attachment)}",
        "Content-Transfer-Encoding: base64",
        _disposition(attachment),
    ]
    names = (*_LEAF, "Content-Disposition")
    if attachment.content_id:
        fields.append(f"Content-ID: <{_content_id(attachment)}>")
        names = (*names, "Content-ID")
    head = "".join(f"{field}\r\n" for field in fields)
    body = _base64(attachment.content)
    if body:
        # Once for all messages that carry it; `compose` looks at the rest each time.
        check_lines(body)
    return Part(names, head.encode(), (body,))


def _media_type(attachment: Attachment) -> str:
    given = attachment.media_type
    if len(given) > _COLUMNS * 2 or "=?" in given or not _MEDIA_TYPE.fullmatch(given):
        raise MessageError(
            f"attachment {shown(attachment.filename)}: {shown(given)} is not a media type",
            hint="A media type looks like application/pdf.",
        )
    if given.lower().startswith(("message/", "multipart/")):
        return "application/octet-stream"
    if given.lower().startswith("text/") and ";" not in given and _is_utf8(attachment.content):
        return f"{given}; charset=utf-8"
    return given


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _disposition(attachment: Attachment) -> str:
    kind = "inline" if attachment.content_id else "attachment"
    parameters = filename_parameters(attachment.filename) if attachment.filename else ()
    return ";\r\n ".join((f"Content-Disposition: {kind}", *parameters))


def _content_id(attachment: Attachment) -> str:
    content_id = attachment.content_id
    if "=?" in content_id or not _CONTENT_ID.fullmatch(content_id):
        raise MessageError(
            f"not a content id: {shown(content_id)}",
            hint="It is what HTML has after `cid:`, in ASCII without spaces.",
        )
    return content_id


def _base64(content: bytes) -> bytes:
    line = binascii.b2a_base64(content, newline=False)
    return b"".join(
        [line[start : start + _COLUMNS] + b"\r\n" for start in range(0, len(line), _COLUMNS)]
    )


def _multipart(subtype: str, parts: list[Part], mark: str) -> Part:
    # The subtype in the boundary keeps the levels apart.
    boundary = f"=_{subtype}_{mark}"
    kind = '; type="text/html"' if subtype == "related" else ""
    head = f'Content-Type: multipart/{subtype}{kind};\r\n boundary="{boundary}"\r\n'
    delimiter = f"--{boundary}\r\n".encode()
    pieces: list[bytes] = []
    for part in parts:
        # The CRLF before a delimiter belongs to it (RFC 2046 section 5.1.1), not to the body.
        pieces += (delimiter, part.head, b"\r\n", *part.pieces, b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    return Part(("Content-Type",), head.encode(), tuple(pieces))
