"""Look into the journal of a bulk run."""

from typing import Annotated

import typer

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.options import ConfigPath, Debug, NoColor, Quiet, Verbose, Version, settle

Path = Annotated[str, typer.Argument(metavar="FILE", help="The journal, e.g. people.csv.journal.")]


def status(
    context: typer.Context,
    file: Path,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Say how many rows stand where, and why rows were not accepted."""
    from nexomailer_cli.cli.journal_view import show_status

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    raise typer.Exit(show_status(file, everywhere.output, as_json=as_json))


def rows(
    context: typer.Context,
    file: Path,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help="accepted, rejected, deferred, unknown, waiting, skipped; failed is rejected"
            " and deferred.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FILE.csv", help="The input's rows with what became of them."
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--input", metavar="FILE", help="The input, if it is elsewhere by now."),
    ] = None,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """List rows with what became of them; with -o as a CSV that can be sent again."""
    from nexomailer_cli.cli.journal_view import Wanted, show_rows

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    raise typer.Exit(show_rows(file, Wanted(state, output, source), everywhere.output))
