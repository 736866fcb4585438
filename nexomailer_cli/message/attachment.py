"""Files that are to travel with a message.

Takes what a person wrote, a path or a pattern, and reads regular files only, completely
or not at all. Knows nothing of how they are encoded.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from nexomailer_cli.errors import InputError, MessageError
from nexomailer_cli.message.characters import CONTROL_OR_OVERRIDE, describe, shown
from nexomailer_cli.message.draft import Attachment
from nexomailer_cli.message.mediatype import media_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

# Together, in octets. Base64 adds a third; no large provider takes more than 150 MB.
MAX_OCTETS = 100_000_000

# PATH_MAX on Linux: a path that is cut short does not say which file is meant.
MAX_PATH = 4096

_TYPED = re.compile(r"(.+):([A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+)", re.DOTALL)
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
# To open a pipe waits for its other end, without O_NONBLOCK; the flags are not all on Windows.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

_DESCENDS = re.compile(r"(?:(?<=/)|^)(?:\*\*/)*\*\*(?:/|$)")
# RFC 2392: what stands behind `cid:`. Kept to what needs no escape in a URL.
_CONTENT_ID = re.compile(r"[A-Za-z0-9!$'*+._~@-]{1,200}")


def load_attachments(
    specs: Sequence[str],
    *,
    base: Path | None = None,
    root: Path | None = None,
    max_octets: int = MAX_OCTETS,
) -> tuple[Attachment, ...]:
    """Read the files that `specs`, each a path or glob with an optional `:type/subtype`, name.

    An existing path is meant literally, whatever characters it has. `**` descends; what a
    pattern finds is sorted. Relative paths start at `base`, else at `root`, else in the
    working directory. With `root`, nothing outside it is read, symbolic links included.
    Raises InputError naming the file, MessageError for a name that cannot travel or too
    much in total.
    """
    attachments: list[Attachment] = []
    for spec in specs:
        for path, explicit_type in _files(spec, base or root or Path(), is_fenced=root is not None):
            filename = _filename(path)
            content = _read(_beneath(path, root), max_octets, is_fenced=root is not None)
            max_octets -= len(content)
            kind = explicit_type or media_type(filename)
            attachments.append(Attachment(filename, kind, content))
    return tuple(attachments)


def measure_attachments(specs: Sequence[str], *, root: Path, max_octets: int = MAX_OCTETS) -> int:
    """Return the octets of files without reading them. Raises as load_attachments."""
    total = 0
    for spec in specs:
        for path, _ in _files(spec, root, is_fenced=True):
            _filename(path)
            total += _size(_beneath(path, root))
            if total > max_octets:
                raise _too_large(path, total, max_octets)
    return total


def load_inline(
    spec: str,
    *,
    base: Path | None = None,
    root: Path | None = None,
    max_octets: int = MAX_OCTETS,
) -> Attachment:
    """Read the file of `CID=PATH`, which HTML shows as `cid:CID`. Raises as load_attachments."""
    content_id, equals, path = spec.partition("=")
    if not equals or not path or _CONTENT_ID.fullmatch(content_id) is None:
        raise MessageError(
            f"not an inline file: {shown(spec)}",
            hint='Write it as NAME=PATH, for example logo=logo.png, and use it as src="cid:logo".',
        )
    found = load_attachments((path,), base=base, root=root, max_octets=max_octets)
    if len(found) > 1:
        raise MessageError(f"inline {shown(content_id)}: {shown(path)} names {len(found)} files")
    file = found[0]
    return Attachment(file.filename, file.media_type, file.content, content_id)


def _files(spec: str, base: Path, *, is_fenced: bool) -> Iterator[tuple[Path, str]]:
    if not spec.strip() or "\0" in spec:
        raise InputError(f"attachment {shown(spec)}: not a file name")
    if is_fenced and ".." in Path(spec).parts:
        raise _outside(spec)
    typed = None if _exists(base, spec) else _TYPED.fullmatch(spec)
    name, explicit_type = (typed[1], typed[2]) if typed else (spec, "")
    if _exists(base, name):
        yield _path(base, name), explicit_type
        return
    for path in _matches(base, name, is_fenced=is_fenced):
        yield path, explicit_type


def _path(base: Path, name: str) -> Path:
    # A shell expands `~` only at the start of a word, and in a template nobody does.
    return base / (os.path.expanduser(name) if name.startswith("~/") else name)  # noqa: PTH111


def _exists(base: Path, name: str) -> bool:
    return os.path.lexists(_path(base, name))


def _matches(base: Path, pattern: str, *, is_fenced: bool) -> list[Path]:
    from glob import has_magic

    if not has_magic(pattern):
        raise InputError(f"attachment {shown(pattern)}: no such file")
    if is_fenced and Path(pattern).is_absolute():
        raise _outside(pattern)
    files = sorted(path for path in set(_found(base, pattern)) if not path.is_dir())
    if not files:
        raise InputError(f"attachment {shown(pattern)}: the pattern matches no file")
    return files


def _found(base: Path, pattern: str) -> Iterator[Path]:
    """Expand a pattern; `**` enters neither hidden directories nor links.

    The `glob` module enters links, and two that lead to their own directory keep it busy
    for ever. Two `**` would take the square of the time.
    """
    head, *tails = _DESCENDS.split(pattern)
    if not tails:
        yield from _glob(base, pattern)
        return
    if len(tails) > 1:
        raise InputError(f"attachment {shown(pattern)}: more than one ** in a pattern")
    for start in _glob(base, head) if head else [base]:
        for folder, folders, _ in os.walk(start):
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from _glob(Path(folder), tails[0] or "*")


def _glob(base: Path, pattern: str) -> Iterator[Path]:
    from glob import iglob

    # Path.glob takes no absolute pattern.
    return (base / name for name in iglob(pattern, root_dir=base))  # noqa: PTH207


def _beneath(path: Path, root: Path | None) -> Path:
    if root is None:
        return path
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(root)):
        raise _outside(str(path))
    return real


def _outside(path: str) -> InputError:
    return InputError(
        f"attachment {shown(path)}: outside of the directory for attachments",
        hint="Attachments that a row names must lie below that directory, links followed.",
    )


def _filename(path: Path) -> str:
    found = CONTROL_OR_OVERRIDE.search(path.name)
    if found:
        raise MessageError(
            f"attachment {shown(path.name)}: {describe(found[0])} in the file name",
            hint="Rename the file.",
        )
    return path.name


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    _require_regular(path, status)
    if not os.access(path, os.R_OK):
        raise InputError(f"attachment {shown(str(path), MAX_PATH)}: it may not be read")
    return status.st_size


def _read(path: Path, max_octets: int, *, is_fenced: bool) -> bytes:
    # Within a fence the path has no link left in it: one that appears now leads elsewhere.
    flags = _FLAGS | (_NO_LINK if is_fenced else 0)
    try:
        # Looked at before it is opened: to open a device can already have an effect.
        _require_regular(path, path.stat())
        with os.fdopen(os.open(path, flags), "rb") as file:
            return _whole(path, file, max_octets)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"attachment {shown(str(path), MAX_PATH)}: {error.strerror}")


def _too_large(path: Path, octets: int, max_octets: int) -> MessageError:
    return MessageError(
        f"attachment {shown(str(path), MAX_PATH)}: its {octets:,} bytes are more "
        f"than the {max_octets:,} that are left for attachments"
    )


def _whole(path: Path, file: BinaryIO, max_octets: int) -> bytes:
    before = os.fstat(file.fileno())
    _require_regular(path, before)
    if before.st_size > max_octets:
        raise _too_large(path, before.st_size, max_octets)
    content = file.read(before.st_size + 1)
    after = os.fstat(file.fileno())
    if len(content) != before.st_size or before.st_mtime_ns != after.st_mtime_ns:
        raise InputError(f"attachment {shown(str(path), MAX_PATH)}: it changed while it was read")
    return content


def _require_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise InputError(f"attachment {shown(str(path), MAX_PATH)}: it is {kind}, not a file")
