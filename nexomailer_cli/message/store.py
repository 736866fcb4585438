"""Files that rows name: below one folder, read and encoded once, few kept at a time."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from nexomailer_cli.message.attachment import load_attachments, measure_attachments

if TYPE_CHECKING:
    from pathlib import Path

    from nexomailer_cli.message.draft import Attachment

# Octets of files; what each is encoded to comes on top, a third more.
CAPACITY: Final = 32_000_000
_MOST_MEASURED: Final = 10_000  # names


class Store:
    """Attachments by what a row calls them: a path or a pattern, relative to `root`."""

    def __init__(self, root: Path, capacity: int = CAPACITY) -> None:
        self._root = root
        self._room = capacity
        self._files: OrderedDict[str, tuple[Attachment, ...]] = OrderedDict()
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def files(self, spec: str) -> tuple[Attachment, ...]:
        """Return the files; raise InputError or MessageError as `load_attachments` does."""
        found = self._files.get(spec)
        if found is not None:
            self._files.move_to_end(spec)
            return found
        found = load_attachments((spec,), root=self._root)
        self._keep(spec, found)
        return found

    def size(self, spec: str) -> int:
        """Return the octets of the files without reading them; raise for what cannot be sent."""
        size = self._sizes.get(spec)
        if size is None:
            size = measure_attachments((spec,), root=self._root)
            self._sizes[spec] = size
            if len(self._sizes) > _MOST_MEASURED:
                self._sizes.popitem(last=False)
        return size

    def _keep(self, spec: str, files: tuple[Attachment, ...]) -> None:
        self._files[spec] = files
        self._room -= _octets(files)
        # The newest stays however large it is: all rows may name the same one.
        while self._room < 0 and len(self._files) > 1:
            _, left = self._files.popitem(last=False)
            self._room += _octets(left)


def _octets(files: tuple[Attachment, ...]) -> int:
    return sum(len(file.content) for file in files)
