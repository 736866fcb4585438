"""Options that several commands share.

The global options stand before the command or after it, so each command has them too.
"""

from typing import Annotated

import typer

from nexomailer_cli import __version__
from nexomailer_cli.cli.everywhere import Globals


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nexomailer {__version__}")
        raise typer.Exit


ConfigPath = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE", help="Configuration to use."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the conversation with the server.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text.")]
Version = Annotated[
    bool,
    typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
]
Debug = Annotated[bool, typer.Option("--debug", hidden=True, help="Show tracebacks.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def settle(context: typer.Context, own: Globals) -> Globals:
    """Join the options before the command with those after it, which win."""
    before = context.find_object(Globals) or Globals()
    return Globals(
        config=own.config if own.config is not None else before.config,
        verbose=own.verbose or before.verbose,
        quiet=own.quiet or before.quiet,
        no_color=own.no_color or before.no_color,
        debug=own.debug or before.debug,
    )
