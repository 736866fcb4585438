"""The parts of a letter: each makes its share of a draft from the values of a row.

And each can tell what is wrong with that share without making the whole message, in about
the time of a look-up where nothing can be wrong. Knows no rows: values come by the names
that templates use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from nexomailer_cli.errors import AddressError, MessageError
from nexomailer_cli.message.address import parse_address, parse_addresses
from nexomailer_cli.message.attachment import load_attachments
from nexomailer_cli.message.custom import custom_fields
from nexomailer_cli.message.derived import Derived
from nexomailer_cli.message.header import text_body
from nexomailer_cli.message.markdown import escape_words, html_from_markdown
from nexomailer_cli.message.plaintext import plaintext
from nexomailer_cli.message.store import Store
from nexomailer_cli.message.unsubscribe import unsubscribe_fields
from nexomailer_cli.smtp.envelope import distinct

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nexomailer_cli.message.draft import Address, Attachment
    from nexomailer_cli.message.template import Template
    from nexomailer_cli.message.wording import Parts, Wording

_NAMES: Final = {"from": "From", "to": "To", "cc": "Cc", "bcc": "Bcc", "reply-to": "Reply-To"}
# A character is four octets at most, of which base64 makes six with its line ends.
_WORST: Final = 6


class People:
    """Who writes to whom. A field that comes out empty for a row is left out."""

    def __init__(self, parts: Parts, wording: Wording) -> None:
        self._fields = {kind: _Mailboxes(kind, found) for kind, found in parts.people.items()}
        self._sender = parse_address(wording.default_sender) if wording.default_sender else None
        self._reply_to = parse_addresses(wording.default_reply_to)
        if self._sender is None and not parts.people["from"]:
            raise MessageError(
                "there is no sender",
                hint="Name one with --from, in the template, or as defaults.from in the"
                " configuration.",
            )

    def sender(self, values: Mapping[str, Any]) -> Address:
        """Return whom it is from."""
        senders = self._fields["from"].of(values)
        if len(senders) > 1:
            raise AddressError("From names more than one sender")
        if senders:
            return senders[0]
        if self._sender is None:
            raise AddressError("From is empty")
        return self._sender

    def to(self, values: Mapping[str, Any]) -> tuple[Address, ...]:
        """Return the recipients that everybody sees first."""
        return self._fields["to"].of(values)

    def cc(self, values: Mapping[str, Any]) -> tuple[Address, ...]:
        """Return those who get a copy."""
        return self._fields["cc"].of(values)

    def bcc(self, values: Mapping[str, Any]) -> tuple[Address, ...]:
        """Return those whom nobody sees."""
        return self._fields["bcc"].of(values)

    def reply_to(self, values: Mapping[str, Any]) -> tuple[Address, ...]:
        """Return where answers go."""
        return self._fields["reply-to"].of(values) or self._reply_to

    def check(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the addr-specs of all recipients.

        Raises AddressError for what is no address in any of the fields, and if there are none.
        """
        self.sender(values)
        self.reply_to(values)
        found = [each.spec for each in (*self.to(values), *self.cc(values), *self.bcc(values))]
        if not found:
            raise AddressError("an address is missing: To, Cc and Bcc are empty")
        return (found[0],) if len(found) == 1 else distinct(found)


class _Mailboxes:
    """One address field."""

    def __init__(self, kind: str, templates: tuple[Template, ...]) -> None:
        self._name = _NAMES[kind]
        self._templates = templates
        self._fixed: tuple[Address, ...] | None = None
        if not any(template.variables for template in templates):
            self._fixed = self._parsed({})

    def of(self, values: Mapping[str, Any]) -> tuple[Address, ...]:
        return self._parsed(values) if self._fixed is None else self._fixed

    def _parsed(self, values: Mapping[str, Any]) -> tuple[Address, ...]:
        try:
            found = [parse_addresses(each.render(values).strip()) for each in self._templates]
        except AddressError as error:
            raise AddressError(f"{self._name}: {error}", hint=error.hint) from None
        return found[0] if len(found) == 1 else sum(found, ())


class Headers:
    """The subject, the fields somebody has added, and how to unsubscribe."""

    def __init__(self, parts: Parts, wording: Wording) -> None:
        self._subject = parts.subject
        self._fields = parts.headers
        self._unsubscribe = parts.list_unsubscribe
        self.kinds = frozenset(name.lower() for name, _ in self._fields)
        self._standing = tuple(
            field for field in wording.standing if field[0].lower() not in self.kinds
        )
        self.kinds |= {name.lower() for name, _ in self._standing}
        fixed = tuple((name, each.render({})) for name, each in self._fields if not each.variables)
        custom_fields((*fixed, *self._standing))
        self._varies = len(fixed) < len(self._fields)

    def subject(self, values: Mapping[str, Any]) -> str:
        """Return the subject, which may be empty."""
        return "" if self._subject is None else self._subject.render(values).strip()

    def fields(self, values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """Return the further fields; those that come out empty are left out when composing."""
        if not self._fields:
            return self._standing
        fields = [(name, template.render(values).strip()) for name, template in self._fields]
        return (*fields, *self._standing)

    def unsubscribe(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the URIs to unsubscribe with."""
        if not self._unsubscribe:
            return ()
        uris = [template.render(values).strip() for template in self._unsubscribe]
        return tuple(filter(None, uris))

    def check(self, values: Mapping[str, Any]) -> int:
        """Raise MessageError for what cannot stand in a header."""
        subject = self.subject(values)
        text_body("Subject", subject)
        if self._varies:
            custom_fields(self.fields(values))
        if self._unsubscribe:
            unsubscribe_fields(self.unsubscribe(values))
        return _WORST * len(subject)


class Files:
    """What is attached. What no row decides is read at once, wherever it lies.

    What a row has a say in lies below `root`.
    """

    def __init__(self, parts: Parts, *, root: Path, template_folder: Path) -> None:
        self._fixed = (
            *load_attachments(_fixed(parts.attached), base=template_folder),
            *load_attachments(_fixed(parts.attach)),
        )
        self._templates = tuple(
            template for template in (*parts.attached, *parts.attach) if template.variables
        )
        self._store = Store(root)
        self._octets = sum(len(file.content) for file in self._fixed)

    @property
    def are_there(self) -> bool:
        """Whether there are any, for some row at least."""
        return bool(self._fixed or self._templates)

    def of(self, values: Mapping[str, Any]) -> tuple[Attachment, ...]:
        """Return the files. Raises InputError, MessageError."""
        found = self._fixed
        for template in self._templates:
            spec = template.render(values).strip()
            if spec:
                found = (*found, *self._store.files(spec))
        return found

    def check(self, values: Mapping[str, Any]) -> int:
        """Return how many octets they come to, without reading them; raise as `of`."""
        octets = self._octets
        for template in self._templates:
            spec = template.render(values).strip()
            if spec:
                octets += self._store.size(spec)
        return octets * 4 // 3 + octets // 32


def _fixed(templates: tuple[Template, ...]) -> tuple[str, ...]:
    specs = (template.render({}).strip() for template in templates if not template.variables)
    return tuple(spec for spec in specs if spec)


class Renderer(Protocol):
    """A template, or what is made of one."""

    def render(self, values: Mapping[str, object]) -> str:
        """Return the text."""
        ...


class Bodies:
    """The text and the HTML: HTML never without a text that says the same."""

    def __init__(self, parts: Parts) -> None:
        self._templates = tuple(each for each in (parts.text, parts.html) if each is not None)
        self._text: Renderer | None = parts.text
        self._html: Renderer | None = parts.html
        if parts.html is not None and parts.html.kind == "markdown":
            self._html = Derived(parts.html, html_from_markdown, escape_words)
        elif parts.html is not None and parts.text is None:
            self._text = Derived(parts.html, plaintext, str)
        self._measures = tuple(map(_Measure, self._templates))

    def text(self, values: Mapping[str, Any]) -> str | None:
        """Return the text."""
        return None if self._text is None else self._text.render(values)

    def html(self, values: Mapping[str, Any]) -> str | None:
        """Return the HTML."""
        return None if self._html is None else self._html.render(values)

    def check(self, values: Mapping[str, Any]) -> int:
        """Return the most octets they could come to; raise TemplateError.

        What only fills places cannot fail once all values are there.
        """
        return sum([measure.most_octets(values) for measure in self._measures])


class _Measure:
    """The most that a template can come to."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._fixed = len(template.source)
        straight = template.straight
        self._names: tuple[str, ...] | None = None
        if straight is not None and all(hole.member is None for hole in straight.holes):
            self._names = tuple(hole.name for hole in straight.holes)

    def most_octets(self, values: Mapping[str, Any]) -> int:
        """Return the most octets that its text takes with `values`; raise TemplateError."""
        if self._names is not None:
            try:
                # Escaping makes five or six characters of one.
                filled = sum([len(str(values[name])) for name in self._names])
            except KeyError:
                pass
            else:
                return _WORST * (self._fixed + 6 * filled)
        return _WORST * len(self._template.render(values))
