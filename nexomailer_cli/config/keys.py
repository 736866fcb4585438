"""The keys that a block of the configuration may have, read off its type.

One table for all who need it: reading a file, showing a configuration, the
example's test. Knows nothing of values beyond their types and bounds.
"""

from __future__ import annotations

import types
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from nexomailer_cli.config.settings import (
    Config,
    Defaults,
    Failover,
    Provider,
    SmtpConfig,
    Tls,
)
from nexomailer_cli.config.sign_in import Auth

BLOCKS: dict[type[msgspec.Struct], str] = {
    Config: "the top level",
    Defaults: "[defaults]",
    Failover: "[failover]",
    Provider: "[[providers]]",
    SmtpConfig: "[providers.config]",
    Auth: "auth",
    Tls: "tls",
}


class Key(Struct, frozen=True):
    """One key of a block: what it is called and what it takes.

    `kind` is the bare type, `annotation` the one with bounds. `spellings` are all
    names that a file may use, the canonical one first.
    """

    attribute: str
    spellings: tuple[str, ...]
    kind: Any
    annotation: Any
    metas: tuple[Meta, ...]
    is_required: bool
    default: Any

    @property
    def name(self) -> str:
        """The canonical name in a file."""
        return self.spellings[0]

    @property
    def block(self) -> type[msgspec.Struct] | None:
        """The type of the table that this key holds, if it holds one."""
        return self.kind if self.kind in BLOCKS else None

    @property
    def element(self) -> type[msgspec.Struct] | None:
        """The type of the tables that this key holds a list of, if it does."""
        return None if self.is_list_of_texts else _element(self.kind)

    @property
    def is_list_of_texts(self) -> bool:
        """Whether this key holds a list of texts."""
        return _element(self.kind) is str

    @property
    def description(self) -> str:
        """One line of explanation."""
        return next(meta.description for meta in self.metas if meta.description)

    def has(self, mark: str) -> bool:
        """Tell whether the type carries `mark` among its extras."""
        return any((meta.extra or {}).get(mark) for meta in self.metas)

    def bound(self, name: Literal["gt", "ge", "le", "min_length"]) -> float | None:
        """Return the bound called `name`, None if the type has none."""
        return next((value for m in self.metas if (value := getattr(m, name)) is not None), None)


@cache
def keys_of(block: type[msgspec.Struct]) -> tuple[Key, ...]:
    """Return the keys of `block` in their order; what is no key of a file is left out."""
    keys = (_key(field) for field in msgspec.structs.fields(block))
    return tuple(key for key in keys if not key.has("internal"))


def stand_in(key: Key) -> Any:
    """Return something to go on with where a file says nothing, or nothing sensible."""
    if not key.is_required:
        return key.default
    return () if key.element else stand_in_for(key.block or key.kind)


def stand_in_for(kind: type[Any]) -> Any:
    """Return a value of `kind` that is as empty as can be."""
    if kind not in BLOCKS:
        return kind()
    return kind(**{key.attribute: stand_in(key) for key in keys_of(kind) if key.is_required})


def _element(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is tuple else None


def camel_case(name: str) -> str:
    """Return `max_connections` as `maxConnections`, the way NexoMailer writes it."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _key(field: msgspec.structs.FieldInfo) -> Key:
    kind, metas = _bare(field.type)
    aliases = [alias for meta in metas for alias in (meta.extra or {}).get("aliases", ())]
    name = field.encode_name
    return Key(
        attribute=field.name,
        spellings=tuple(dict.fromkeys((name, camel_case(name), *aliases))),
        kind=kind,
        annotation=field.type,
        metas=metas,
        is_required=field.required,
        default=_default(field),
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not NODEFAULT:
        return field.default
    return None if field.default_factory is NODEFAULT else field.default_factory()


def _bare(annotation: Any) -> tuple[Any, tuple[Meta, ...]]:
    """Take `Annotated` and `| None` off, and keep what was annotated."""
    origin = get_origin(annotation)
    if origin is Annotated:
        kind, *metas = get_args(annotation)
        inner, more = _bare(kind)
        return inner, (*metas, *more)
    if origin in (Union, types.UnionType):
        return _bare(next(arg for arg in get_args(annotation) if arg is not type(None)))
    return annotation, ()
