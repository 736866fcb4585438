"""A configuration that is not written yet: tried at its server, then written with its secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from nexomailer_cli.cli.config_text import Answers, text_of
from nexomailer_cli.cli.private_file import write_private
from nexomailer_cli.cli.sources import typed_address
from nexomailer_cli.config import variables
from nexomailer_cli.config.file import config_of_text
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.errors import OutputError

if TYPE_CHECKING:
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.config.settings import Config
    from nexomailer_cli.probe.report import Report


class InitDraft(Struct, frozen=True):
    """Answers, the file that they are for, and a password that was typed, if one was.

    With `keeps_password` it is put where the configuration says that it is; otherwise it was
    typed only to be tried. Its repr shows no password.
    """

    answers: Answers
    path: Path
    password: str = ""
    keeps_password: bool = False

    def __repr__(self) -> str:
        return f"InitDraft({self.answers!r}, {self.path!r}, ***)"

    @property
    def lacks_secret(self) -> bool:
        """Whether there is nothing to sign in with yet."""
        secret = self.answers.secret
        if self.password or not secret:
            return False
        return "prompt" in secret or ("env" in secret and secret["env"] not in os.environ)

    def config(self) -> Config:
        """Return the configuration; raise ConfigError where the answers contradict each other."""
        config = config_of_text(text_of(self.answers), os.environ, self.path)
        (provider,) = config.providers
        auth = provider.config.auth
        if not self.password or auth is None:
            return config
        secret = Secret("text", (variables.escape(self.password),))
        auth = structs.replace(auth, password=secret)
        provider = structs.replace(provider, config=structs.replace(provider.config, auth=auth))
        return structs.replace(config, providers=(provider,))

    def tried(self, output: Output, *, is_told: bool = True) -> Report:
        """Meet the server as sending would, show what comes of it, and return it."""
        from nexomailer_cli.cli.probing import examine_all
        from nexomailer_cli.probe.target import Asked

        sender = self.answers.sender
        asked = Asked(
            sender=typed_address(sender, "--from").spec if sender else None,
            form="words" if is_told else "json",
        )
        (report,) = examine_all(asked, self.config(), output).examinations
        return report

    def write(self, *, replaces: bool) -> None:
        """Write the configuration, and first of all its secret; raise OutputError."""
        self.config()
        if self.keeps_password:
            _keep(self.answers, self.password)
        write_private(self.path, text_of(self.answers), replaces=replaces)


def _keep(answers: Answers, password: str) -> None:
    if "file" in answers.secret:
        path = Path(answers.secret["file"]).expanduser()
        write_private(path, f"{password}\n", replaces=True)
        return
    from nexomailer_cli.config.secret_keyring import KeyringError, keep

    try:
        keep(answers.secret["keyring"], answers.user, password)
    except KeyringError as error:
        raise OutputError(str(error)) from None
