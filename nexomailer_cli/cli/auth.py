"""Sign in for access tokens (OAuth 2), see what is kept, or sign out."""

from typing import Annotated

import typer

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

Named = Annotated[str, typer.Argument(metavar="PROVIDER", help="Its name in the configuration.")]
Maybe = Annotated[
    str | None, typer.Argument(metavar="[PROVIDER]", help="Default: all with access tokens.")
]
Device = Annotated[
    bool, typer.Option("--device", help="Show a code to be typed on another machine.")
]
NoBrowser = Annotated[
    bool, typer.Option("--no-browser", help="Only show the address; open no browser.")
]
Timeout = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="How long to wait for you; default: 5m, with --device as long as the code is good.",
    ),
]


def login(
    context: typer.Context,
    provider: Named,
    device: Device = False,
    no_browser: NoBrowser = False,
    timeout: Timeout = None,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Sign in once; from then on tokens are renewed by themselves.

    Opens a browser that comes back to this machine, or with --device shows a code that is
    typed into a browser anywhere.
    """
    from nexomailer_cli.cli import authorizing

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    way = authorizing.Way(device=device, opens_browser=not no_browser, timeout=timeout)
    raise typer.Exit(authorizing.login(provider, way, everywhere))


def status(
    context: typer.Context,
    provider: Maybe = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Say for whom there are tokens, and for how long; asks no server."""
    from nexomailer_cli.cli import authorizing

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    raise typer.Exit(authorizing.status(provider, everywhere, as_json=as_json))


def logout(
    context: typer.Context,
    provider: Named,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Give the tokens back, where the service takes them, and forget them."""
    from nexomailer_cli.cli import authorizing

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    raise typer.Exit(authorizing.logout(provider, everywhere))
