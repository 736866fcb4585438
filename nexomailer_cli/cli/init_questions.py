"""The questions of `config init`; what an option has answered is not asked."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import structs

from nexomailer_cli.cli.asking import NoAnswerError
from nexomailer_cli.cli.config_text import Answers
from nexomailer_cli.cli.init_draft import InitDraft
from nexomailer_cli.cli.init_options import (
    InitOptions,
    preset_name,
    readable,
    secret_of,
    server_of,
    service_at,
    service_of,
)
from nexomailer_cli.cli.sources import typed_address
from nexomailer_cli.config.file import users_config
from nexomailer_cli.config.presets import find_preset, preset_names
from nexomailer_cli.config.secret_keyring import is_usable
from nexomailer_cli.config.secrets import looks_like_app_password
from nexomailer_cli.errors import NexomailerError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.cli.asking import Terminal

T = TypeVar("T")

NOBODY = "-"
KEYRING_SERVICE = "nexomailer"
_NO_FILE_NAME = re.compile("[^A-Za-z0-9.-]+")


class Questions:
    """Asks for everything that a first configuration needs."""

    def __init__(self, options: InitOptions, path: Path, terminal: Terminal) -> None:
        self._options = options
        self._path = path
        self._terminal = terminal

    def draft(self) -> InitDraft:
        """Ask from the beginning; return what was answered."""
        sender = self._sender()
        answers = self._server(sender)
        user = self._user(answers, sender)
        answers = structs.replace(answers, user=user)
        draft = InitDraft(answers, self._path)
        return self._secret(draft) if user else draft

    def with_password(self, draft: InitDraft) -> InitDraft:
        """Ask for the password, once more or for the first time."""
        preset = find_preset(draft.answers.preset)
        kind = preset.secret if preset else "password"
        question = f"{kind[:1].upper()}{kind[1:]} of {printable(draft.answers.user)}"
        typed = self._terminal.secret(question)
        while not typed and draft.keeps_password:
            self._terminal.say("Nothing was typed. Ctrl-C ends it, and nothing is written.")
            typed = self._terminal.secret(question)
        if looks_like_app_password(typed):
            self._terminal.say("Its spaces are only for reading: they are left out.")
            typed = typed.replace(" ", "")
        return structs.replace(draft, password=typed)

    def with_user(self, draft: InitDraft) -> InitDraft:
        """Ask who signs in, and for the password."""
        user = self._terminal.ask("User name", draft.answers.user)
        answers = structs.replace(draft.answers, user=user)
        return self.with_password(structs.replace(draft, answers=answers))

    def with_authority(self, draft: InitDraft) -> InitDraft:
        """Ask for the certificate of an authority of one's own."""
        path = self._until_right("File of the authority's certificate (PEM)", "", readable)
        return structs.replace(draft, answers=structs.replace(draft.answers, ca_file=path))

    def _sender(self) -> str:
        if self._options.sender is not None:
            typed_address(self._options.sender, "--from")
            return self._options.sender
        return self._until_right("Address you send as", "", _address)

    def _server(self, sender: str) -> Answers:
        options = self._options
        if options.preset is not None:
            found: dict[str, Any] = {"preset": preset_name(options.preset)}
        elif options.host is not None:
            found = server_of(options.host, options.security)
        else:
            usual = service_of(typed_address(sender, "--from").spec)
            question = "Service (? lists them), or host of your own mail server"
            found = self._until_right(question, usual, self._service_or_host)
        if "preset" in found:
            self._tell_note(found["preset"])
        ca_file = readable(options.ca_file) if options.ca_file else ""
        name = options.name or found.get("preset") or "main"
        return Answers(name=name, sender=sender, ca_file=ca_file, **found)

    def _service_or_host(self, typed: str) -> dict[str, Any]:
        if typed == "?":
            raise NexomailerError(", ".join(preset_names()))
        is_host = {".", ":"} & set(typed) or typed == "localhost"
        if not is_host:
            return {"preset": preset_name(typed)}
        server = server_of(typed, self._options.security)
        if "port" not in server and (service := service_at(server["host"])):
            self._terminal.say(f"That is {service}.")
            return {"preset": service}
        return server

    def _tell_note(self, name: str) -> None:
        preset = find_preset(name)
        if preset and preset.note:
            self._terminal.explain(preset.note)

    def _user(self, answers: Answers, sender: str) -> str:
        if self._options.user is not None:
            return self._options.user
        preset = find_preset(answers.preset)
        if preset and preset.user:
            return preset.user
        usual = typed_address(sender, "--from").spec
        user = self._terminal.ask(f"User name, or {NOBODY} where nobody signs in", usual)
        return "" if user == NOBODY else user

    # --- the secret ----------------------------------------------------------------------------

    def _secret(self, draft: InitDraft) -> InitDraft:
        if self._options.secret is not None:
            table = secret_of(self._options.secret)
            draft = structs.replace(draft, answers=structs.replace(draft.answers, secret=table))
            return self._only_to_try(draft)
        ways = self._ways()
        number = self._terminal.choose("How is the password kept?", [text for text, _ in ways])
        return ways[number][1](draft)

    def _ways(self) -> list[tuple[str, Callable[[InitDraft], InitDraft]]]:
        ways: list[tuple[str, Callable[[InitDraft], InitDraft]]] = []
        if users_config(os.environ) is not None:
            ways.append(("in a file of its own that only you can read", self._in_file))
        if is_usable():
            ways.append(("in the keyring of the desktop", self._in_keyring))
        return [
            *ways,
            ("in a password manager: I have a command that prints it", self._by_command),
            ("in an environment variable", self._in_variable),
            ("nowhere: I want to be asked each time", self._asked_for),
        ]

    def _in_file(self, draft: InitDraft) -> InitDraft:
        own = users_config(os.environ)
        assert own is not None
        path = own.with_name(f"{_NO_FILE_NAME.sub('-', draft.answers.name)}.pass")
        draft = _kept(draft, {"file": _with_tilde(path)})
        if path.exists() and self._terminal.agrees(
            f"There is {printable(str(path))} already. Use what it holds?", default=True
        ):
            return draft
        return self.with_password(structs.replace(draft, keeps_password=True))

    def _in_keyring(self, draft: InitDraft) -> InitDraft:
        draft = _kept(draft, {"keyring": KEYRING_SERVICE})
        return self.with_password(structs.replace(draft, keeps_password=True))

    def _by_command(self, draft: InitDraft) -> InitDraft:
        question = "Command that prints it, such as pass show smtp"
        return _kept(draft, self._until_right(question, "", lambda text: _way("command", text)))

    def _in_variable(self, draft: InitDraft) -> InitDraft:
        table = self._until_right(
            "Name of the variable", "SMTP_PASS", lambda text: _way("env", text.lstrip("$"))
        )
        return self._only_to_try(_kept(draft, table))

    def _asked_for(self, draft: InitDraft) -> InitDraft:
        return self._only_to_try(_kept(draft, {"prompt": True}))

    def _only_to_try(self, draft: InitDraft) -> InitDraft:
        if not draft.lacks_secret:
            return draft
        self._terminal.say("To try it, type the password now; it is not kept. Enter goes without.")
        return self.with_password(draft)

    def _until_right(self, question: str, default: str, taken: Callable[[str], T]) -> T:
        """Ask until the answer can be taken; say what is wrong with the others."""
        while True:
            try:
                return taken(self._terminal.ask(question, default))
            except NoAnswerError:
                raise
            except NexomailerError as error:
                # Nobody typed the option that it is about.
                said = re.sub("^--[a-z-]+: ", "", str(error))
                for words in filter(None, (said, error.hint)):
                    self._terminal.explain(words)


def _kept(draft: InitDraft, table: dict[str, Any]) -> InitDraft:
    return structs.replace(draft, answers=structs.replace(draft.answers, secret=table))


def _way(tag: str, text: str) -> dict[str, Any]:
    return secret_of(f"{tag}:{text}")


def _address(text: str) -> str:
    typed_address(text, "--from")
    return text


def _with_tilde(path: Path) -> str:
    """Return a path below the home directory the way it means the same on every machine."""
    home = os.environ.get("HOME", "")
    inside = path.is_relative_to(home) if home else False
    return f"~/{path.relative_to(home)}" if inside else str(path)
