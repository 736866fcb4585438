"""A configuration that leads to a capture server, started for one command."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from nexomailer_cli.cli.arrival import arrival
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import Config, Defaults, Provider, SmtpConfig, Tls
from nexomailer_cli.config.sign_in import Auth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.sandbox.server import Sandbox

SENDER = "nexomailer <sender@sandbox.test>"


@contextlib.contextmanager
def sandboxed(config: Config | None, output: Output) -> Iterator[Config]:
    """Run a sandbox and yield a configuration for it, with the defaults of `config`.

    Nothing else changes: TCP, STARTTLS with a verified certificate, sign-in and
    transaction are real. What arrived is shown at the end.
    """
    from nexomailer_cli.sandbox.server import Sandbox

    defaults = config.defaults if config else Defaults(from_=SENDER)
    with Sandbox() as sandbox:
        try:
            yield Config(defaults=defaults, providers=(_provider(sandbox),))
        finally:
            for captured in sandbox.captured:
                output.note(arrival(captured))


def _provider(sandbox: Sandbox) -> Provider:
    return Provider(
        name="sandbox",
        config=SmtpConfig(
            host=sandbox.host,
            port=sandbox.port,
            auth=Auth(user=sandbox.username, password=Secret("text", (sandbox.password,))),
            tls=Tls(ca_file=str(sandbox.ca_file)),
            starttls="required",
        ),
    )
