"""List-Unsubscribe and its one-click companion (RFC 2369, RFC 8058)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message.characters import shown
from nexomailer_cli.message.header import token_body

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME: Final = "List-Unsubscribe"
POST_NAME: Final = "List-Unsubscribe-Post"
ONE_CLICK: Final = "List-Unsubscribe=One-Click"

_URI: Final = re.compile(r"(?i:https://[a-z0-9\[][^\s<>]*|mailto:[^\s<>@]+@[^\s<>@]+)")


def unsubscribe_fields(uris: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the fields for these URIs; one-click is announced iff one of them is https.

    Each may stand in angle brackets. Raises MessageError for any other scheme.
    """
    plain = [_uri(uri) for uri in uris]
    if not plain:
        return ()
    tokens = [f"<{uri}>," for uri in plain]
    tokens[-1] = tokens[-1][:-1]
    field = (NAME, token_body(NAME, tokens))
    if "https:" in [uri[:6].lower() for uri in plain]:
        return (field, (POST_NAME, ONE_CLICK))
    return (field,)


def split_uris(value: str) -> tuple[str, ...]:
    """Return the URIs of a header value as RFC 2369 writes it: `<https://…>, <mailto:…>`."""
    if not re.fullmatch(r" *<[^<>]*>(?: *, *<[^<>]*>)* *", value):
        raise MessageError(f"{NAME}: {shown(value)} is not a list like <https://…>, <mailto:…>")
    return tuple(re.findall(r"<([^<>]*)>", value))


def _uri(text: str) -> str:
    uri = text.strip(" ")
    if uri[:1] == "<" and uri[-1:] == ">":
        uri = uri[1:-1]
    if _URI.fullmatch(uri):
        # The same query, without what looks like the start of an encoded-word.
        return uri.replace("=?", "=%3F")
    if uri[:5].lower() == "http:":
        raise MessageError(
            f"{NAME}: {shown(uri)} is not https",
            hint="Mail services accept one-click unsubscribing over https only (RFC 8058).",
        )
    raise MessageError(f"{NAME}: {shown(uri)} is neither an https: nor a mailto: URI")
