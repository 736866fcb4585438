"""`nexomailer config init`: the first configuration, by questions or by options."""

from typing import Annotated

import typer

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.options import ConfigPath, Debug, NoColor, Quiet, Verbose, Version, settle


def init(
    context: typer.Context,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A known service, such as gmail.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="Your own mail server.")
    ] = None,
    security: Annotated[
        str, typer.Option(metavar="MODE", help="With --host: auto, starttls, implicit or none.")
    ] = "auto",
    user: Annotated[str | None, typer.Option(metavar="NAME", help="Who signs in.")] = None,
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="ADDR", help="Sender; default: the user, if an address."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="LABEL", help="What to call the provider.")
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="env:VAR, file:PATH, command:'pass show smtp', keyring:SERVICE or prompt.",
        ),
    ] = None,
    ca_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="PEM file of authorities to trust.")
    ] = None,
    for_user: Annotated[
        bool,
        typer.Option("--global", help="Write ~/.config/nexomailer/config.toml, for everywhere."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
    connect: Annotated[
        bool, typer.Option("--connect", help="With --yes: sign in after writing; sends nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --yes: one JSON object on standard output.")
    ] = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Write a first configuration: asks, signs in to see that it works, and writes.

    It goes to ./nexomailer.toml, the file of --config, or with --global to your own directory.
    With --yes nothing is asked: --preset gmail --user me@gmail.com --secret env:SMTP_PASS --yes
    """
    from nexomailer_cli.cli.init_options import InitOptions
    from nexomailer_cli.cli.initiation import perform

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    options = InitOptions(
        preset=preset,
        host=host,
        security=security,
        user=user,
        sender=sender,
        name=name,
        secret=secret,
        ca_file=ca_file,
        for_user=for_user,
        replaces=force,
        connects=connect,
        yes=yes,
        as_json=as_json,
    )
    raise typer.Exit(perform(options, everywhere))
