"""One message for many people: compiled once, written for every row.

Whatever is the same in all of them is worked out before the first; a row fills the holes.
The octets are those of `compose`, so a message of a run is made as carefully as a single one.
Knows neither files of rows nor journals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from nexomailer_cli.errors import NexomailerError, Problem
from nexomailer_cli.message.columns import ROW, Columns, is_provided_for, members
from nexomailer_cli.message.draft import Draft
from nexomailer_cli.message.identity import new_mark
from nexomailer_cli.message.letter_parts import Bodies, Files, Headers, People
from nexomailer_cli.message.press import Press
from nexomailer_cli.message.template import closest
from nexomailer_cli.message.wording import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from nexomailer_cli.message.draft import Address
    from nexomailer_cli.message.template import Template
    from nexomailer_cli.message.wording import Parts, Wording
    from nexomailer_cli.smtp.envelope import Mail

# Octets around the bodies: headers, boundaries, and a generous rest.
_FRAME: Final = 65_536
_PER_RECIPIENT: Final = 64
_TRIAL_ID: Final = "<trial@nexomailer.invalid>"


class Record(Protocol):
    """What is asked of a row: where it stands, and its values by column."""

    @property
    def line(self) -> int:
        """Return the line of the table."""
        ...

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the values by column."""
        ...


class Table(Struct, frozen=True, kw_only=True):
    """What a letter is to know of the table it is for.

    `attach_root` is the folder that attachments named by rows lie below. What a template file
    itself names lies beside it, in `template_folder`. `max_octets` is the size of the largest
    message that can be sent, 0 for no limit.
    """

    name: str
    columns: tuple[str, ...]
    attach_root: Path
    template_folder: Path
    max_octets: int = 0


class Checked(Struct, frozen=True):
    """What there is to know of a row's message before it is made.

    `recipients` are canonical addr-specs; there are none where there are problems.
    """

    problems: tuple[Problem, ...]
    recipients: tuple[str, ...]


def compile_letter(wording: Wording, table: Table) -> Letter:
    """Return the message of a run, ready to be written for each row.

    Raises TemplateError, MessageError and InputError for what is wrong whatever the row. Names
    that no column has are told by `Letter.unknown_names`, all at once.
    """
    return Letter(wording, parsed(wording), table)


class Letter:
    """The message of a run. Not for two threads at once."""

    def __init__(self, wording: Wording, parts: Parts, table: Table) -> None:
        self._templates = tuple(parts.templates())
        self._wording = wording
        self._table = table
        self._columns = Columns(table.columns)
        names = frozenset[str]().union(*(each.variables for each in self._templates))
        self._values = self._columns.values(sorted(names))
        self._people = People(parts, wording)
        self._headers = Headers(parts, wording)
        self._bodies = Bodies(parts)
        self._files = Files(parts, root=table.attach_root, template_folder=table.template_folder)
        self._checks = (self._headers, self._files, self._bodies)
        self._has_unsubscribe = bool(parts.list_unsubscribe)
        self._press = Press()
        self._boundary = new_mark(self.sources[0])
        self._is_tried = False

    @property
    def has_unsubscribe(self) -> bool:
        """Whether a header lets its readers unsubscribe."""
        return self._has_unsubscribe or "list-unsubscribe" in self._headers.kinds

    @property
    def has_files(self) -> bool:
        """Whether anything is attached, to some message at least."""
        return self._files.are_there

    @property
    def sources(self) -> tuple[str, ...]:
        """Everything that it says before rows come in, for a fingerprint."""
        return (repr(self._wording),)

    def unknown_names(self) -> tuple[Problem, ...]:
        """Return a problem for each name that no column has, all templates together.

        A name whose absence a template provides for is none, as in `x|default("")`.
        """
        found: dict[tuple[str, str], Problem] = {}
        for template in self._templates:
            for name, known in self._unknown(template):
                problem = _unknown_problem(template, name, known)
                found.setdefault((template.name, name), problem)
        return tuple(found.values())

    def check(self, row: Record) -> Checked:
        """Return everything that is wrong with the message for a row, or else whom it goes to.

        Bodies that only fill places are not rendered. The first message is composed whole:
        what no row decides would be wrong with all of them.
        """
        values = self._values.of(row.values)
        problems: list[Problem] = []
        recipients: tuple[str, ...] = ()
        try:
            recipients = self._people.check(values)
        except NexomailerError as error:
            problems.append(self._problem(row, str(error)))
        octets = _FRAME + _PER_RECIPIENT * len(recipients)
        for part in self._checks:
            try:
                octets += part.check(values)
            except NexomailerError as error:
                problems.append(self._problem(row, str(error)))
        limit = self._table.max_octets
        if not problems and (not self._is_tried or (limit and octets > limit)):
            self._is_tried = True
            problems += self._tried(row, limit)
        return Checked(tuple(problems), () if problems else recipients)

    def sender(self, row: Record) -> Address:
        """Return whom the message is from; raise MessageError."""
        return self._people.sender(self._values.of(row.values))

    def mail(self, row: Record, *, message_id: str, date: datetime | None) -> Mail:
        """Return the finished message for a row. Raises MessageError, InputError.

        The same row, identifier and date give the same octets. A Date header of the template
        has precedence over `date`.
        """
        return self._press.mail(self.draft(row, message_id=message_id, date=date))

    def draft(self, row: Record, *, message_id: str, date: datetime | None) -> Draft:
        """Return what `mail` is composed of."""
        values = self._values.of(row.values)
        people, headers = self._people, self._headers
        return Draft(
            sender=people.sender(values),
            to=people.to(values),
            cc=people.cc(values),
            bcc=people.bcc(values),
            reply_to=people.reply_to(values),
            subject=headers.subject(values),
            text=self._bodies.text(values),
            html=self._bodies.html(values),
            attachments=self._files.of(values),
            headers=headers.fields(values),
            list_unsubscribe=headers.unsubscribe(values),
            date=None if "date" in headers.kinds else date,
            message_id=message_id,
            envelope_from=self._wording.envelope_from,
            boundary=self._boundary,
        )

    def _unknown(self, template: Template) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield what no column is called, and what they are called."""
        for name in sorted(template.variables - {ROW}):
            is_known = self._columns.column(name) is not None
            if not (is_known or is_provided_for(name, template.source)):
                yield name, self._columns.names
        if ROW in template.variables and self._columns.column(ROW) is None:
            for name in members(template.source):
                if name not in self._table.columns:
                    yield name, self._table.columns

    def _tried(self, row: Record, limit: int) -> list[Problem]:
        try:
            octets = len(self.mail(row, message_id=_TRIAL_ID, date=None).content)
        except NexomailerError as error:
            return [self._problem(row, str(error))]
        if not limit or octets <= limit:
            return []
        why = f"the message has {octets:,} octets, and {limit:,} are the most that can be sent"
        return [self._problem(row, why)]

    def _problem(self, row: Record, why: str) -> Problem:
        return Problem(why, file=self._table.name, line=row.line)


def _unknown_problem(template: Template, name: str, known: tuple[str, ...]) -> Problem:
    message = f"there is no column called {name!r}"
    close = closest(name, known)
    if close:
        message += f"; did you mean {close!r}?"
    return Problem(message, file=repr(template.name)[1:-1], line=template.line_of(name))
