"""What the messages of a run are to say: templates, from a file, from options, from both.

An option comes before the file, as with a single message. Knows no rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message.template import Template
from nexomailer_cli.message.template_file import TemplateFile, parse_template_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

DEFAULT_TO: Final = "{{ email }}"
_PEOPLE: Final = ("from", "to", "cc", "bcc", "reply-to")
_OWN: Final = frozenset((*_PEOPLE, "subject", "attachment"))


class Wording(Struct, frozen=True, kw_only=True):
    """What was asked for, as texts. All but the last four are templates.

    `template` is the text of a template file and its name. `standing` are headers that a
    message has unless it says otherwise.
    """

    template: tuple[str, str] | None = None
    sender: str | None = None
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    markdown: str | None = None
    attach: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    list_unsubscribe: tuple[str, ...] = ()
    default_sender: str = ""
    default_reply_to: str = ""
    standing: tuple[tuple[str, str], ...] = ()
    envelope_from: str | None = None


class Parts(Struct, frozen=True, kw_only=True):
    """The same, parsed. `people` are by the lower-case names of their fields.

    `attached` names files beside the template, `attach` files of the command line. The text
    part of an HTML body may be missing.
    """

    people: dict[str, tuple[Template, ...]]
    subject: Template | None
    text: Template | None
    html: Template | None
    attached: tuple[Template, ...]
    attach: tuple[Template, ...]
    headers: tuple[tuple[str, Template], ...]
    list_unsubscribe: tuple[Template, ...]

    def templates(self) -> Iterator[Template]:
        """Yield every template of the message."""
        for templates in self.people.values():
            yield from templates
        single = (self.subject, self.text, self.html)
        yield from (template for template in single if template is not None)
        yield from (*self.attached, *self.attach, *self.list_unsubscribe)
        yield from (template for _, template in self.headers)


def parsed(wording: Wording) -> Parts:
    """Parse the templates. Raises TemplateError, MessageError for two bodies."""
    file = _file(wording)
    filed = _filed(file)
    typed = tuple(
        (name, Template(value, name=f"--header {name}")) for name, value in wording.headers
    )
    taken = {name.lower() for name, _ in typed}
    others = tuple(
        (name, template)
        for name, template in (file.headers if file else ())
        if name.lower() not in _OWN | taken
    )
    text, html = _bodies(wording, file)
    return Parts(
        people={name: _people(wording, name) or filed.get(name, ()) for name in _PEOPLE}
        | ({} if wording.to or "to" in filed else {"to": _typed((DEFAULT_TO,), "--to")}),
        subject=_subject(wording, filed),
        text=text,
        html=html,
        attached=filed.get("attachment", ()),
        attach=_typed(wording.attach, "--attach"),
        headers=(*others, *typed),
        list_unsubscribe=_typed(wording.list_unsubscribe, "--list-unsubscribe"),
    )


def _file(wording: Wording) -> TemplateFile | None:
    if wording.template is None:
        return None
    return parse_template_file(*wording.template)


def _filed(file: TemplateFile | None) -> dict[str, tuple[Template, ...]]:
    found: dict[str, tuple[Template, ...]] = {}
    for name, template in file.headers if file else ():
        kind = name.lower()
        found[kind] = (*found.get(kind, ()), template)
    return found


def _people(wording: Wording, kind: str) -> tuple[Template, ...]:
    sources = {
        "from": () if wording.sender is None else (wording.sender,),
        "to": wording.to,
        "cc": wording.cc,
        "bcc": wording.bcc,
        "reply-to": wording.reply_to,
    }
    return _typed(sources[kind], f"--{kind}")


def _typed(sources: Iterable[str], option: str) -> tuple[Template, ...]:
    return tuple(Template(source, name=option) for source in sources)


def _subject(wording: Wording, filed: dict[str, tuple[Template, ...]]) -> Template | None:
    if wording.subject is not None:
        return Template(wording.subject, name="--subject")
    subjects: Sequence[Template] = filed.get("subject", ())
    if len(subjects) > 1:
        raise MessageError(f"{subjects[1].name}: Subject: given more than once")
    return subjects[0] if subjects else None


def _bodies(wording: Wording, file: TemplateFile | None) -> tuple[Template | None, Template | None]:
    """Return the text and the HTML; an HTML of the kind `markdown` is yet to be converted."""
    options = {"--text": wording.text, "--html": wording.html, "--markdown": wording.markdown}
    given = [option for option, source in options.items() if source is not None]
    if file is not None and given:
        raise MessageError(f"a template file and {given[0]} do not go together")
    if file is None and not (given or wording.attach):
        raise MessageError(
            "there is no body", hint="Give --text, --html, --markdown or --template."
        )
    if wording.markdown is not None and len(given) > 1:
        raise MessageError(f"{given[0]} and --markdown do not go together")
    if file is not None:
        return (file.body, None) if file.kind == "text" else (file.text, file.body)
    if wording.markdown is not None:
        return (
            Template(wording.markdown, name="--markdown"),
            Template(wording.markdown, name="--markdown", kind="markdown"),
        )
    return (
        None if wording.text is None else Template(wording.text, name="--text"),
        None if wording.html is None else Template(wording.html, name="--html", kind="html"),
    )
