"""Begin, check, show or locate the configuration."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexomailer_cli.cli.config_init import init as init
from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.options import (
    AsJson,
    ConfigPath,
    Debug,
    NoColor,
    Quiet,
    Verbose,
    Version,
    settle,
)
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.config.settings import Config


def check(
    context: typer.Context,
    connect: Annotated[
        bool, typer.Option("--connect", help="Sign in at every provider; nothing is sent.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Say whether the configuration is right, or every mistake in it.

    Environment variables and files with secrets are looked at; commands are run, and keyrings
    opened, with --connect alone.
    """
    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    from nexomailer_cli.cli.config_check import perform

    raise typer.Exit(perform(everywhere, connects=connect, as_json=as_json))


def show(
    context: typer.Context,
    as_json: AsJson = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Show what is in force, defaults and all, and where it comes from; secrets as ***."""
    from nexomailer_cli.cli.config_shown import origins_of, shown
    from nexomailer_cli.config.file import load
    from nexomailer_cli.config.masked import effective

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    loaded = load(everywhere.config, os.environ, warn=everywhere.output.warn)
    if as_json:
        fields = {"path": loaded.config.path, "origins": origins_of(loaded)}
        _write_json(everywhere.output, "show", fields | effective(loaded.config))
    else:
        everywhere.output.result(f"# {_origin(loaded.config)}\n{shown(loaded)}")


def schema(
    context: typer.Context,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from nexomailer_cli.config.schema import config_schema

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    everywhere.output.result(config_schema().decode())


def path(
    context: typer.Context,
    as_json: AsJson = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Show which file is used, or $NEXOMAILER_URL."""
    from nexomailer_cli.config.file import URL_ORIGIN, URL_VARIABLE, find_config, no_config

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    found = find_config(everywhere.config, os.environ)
    if found is None and not os.environ.get(URL_VARIABLE):
        raise no_config()
    if as_json:
        _write_json(everywhere.output, "path", {"path": str(found) if found else None})
    else:
        everywhere.output.result(printable(str(found)) if found else URL_ORIGIN)


def _write_json(output: "Output", command: str, fields: dict[str, Any]) -> None:
    import msgspec

    schema = {"schema": f"nexomailer.config-{command}/1"}
    output.result(msgspec.json.encode(schema | fields).decode())


def _origin(config: "Config") -> str:
    from nexomailer_cli.config.file import URL_ORIGIN

    return printable(config.path) if config.path else URL_ORIGIN
