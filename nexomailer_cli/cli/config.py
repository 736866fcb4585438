"""Check, show or locate the configuration."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.cli.options import ConfigPath, Debug, NoColor, Quiet, Verbose, Version, settle
from nexomailer_cli.errors import ConfigError, SecretError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.config.settings import Config

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def check(
    context: typer.Context,
    as_json: AsJson = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Say whether the configuration is right, or every mistake in it.

    Environment variables and files with secrets are looked at; commands are not run.
    """
    from nexomailer_cli.cli.request import check_standing_headers
    from nexomailer_cli.config.file import load_config
    from nexomailer_cli.core import rewriting_for

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    output = everywhere.output
    try:
        loaded = load_config(everywhere.config, os.environ, warn=output.warn)
        check_standing_headers(loaded.defaults)
        for provider in loaded.providers:
            rewriting_for(provider)
    except ConfigError as error:
        if not as_json:
            raise
        _write_json(output, "check", _refusal(error))
        raise typer.Exit(ExitStatus.CONFIG) from None
    _look_at_secrets(loaded, output)
    _tell_notes(loaded, output)
    if as_json:
        _write_json(output, "check", _verdict(loaded))
    else:
        output.result(f"{_origin(loaded)}: ok, {_census(loaded)}")


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
    """Show what is in force, defaults and all; secrets as ***."""
    from nexomailer_cli.config.file import load_config
    from nexomailer_cli.config.masked import effective

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    loaded = load_config(everywhere.config, os.environ, warn=everywhere.output.warn)
    if as_json:
        _write_json(everywhere.output, "show", {"path": loaded.path, **effective(loaded)})
        return
    import tomli_w

    everywhere.output.result(f"# {_origin(loaded)}\n{tomli_w.dumps(effective(loaded))}".rstrip())


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


def _verdict(config: "Config") -> dict[str, Any]:
    names = [provider.name for provider in config.providers]
    return {"path": config.path, "providers": names, "problems": [], "exit_code": ExitStatus.OK}


def _refusal(error: ConfigError) -> dict[str, Any]:
    problems = [
        {"file": each.file or None, "line": each.line, "key": each.key, "message": each.message}
        for each in error.problems
    ]
    return {"path": None, "providers": [], "problems": problems, "exit_code": ExitStatus.CONFIG}


def _write_json(output: "Output", command: str, fields: dict[str, Any]) -> None:
    import msgspec

    schema = {"schema": f"nexomailer.config-{command}/1"}
    output.result(msgspec.json.encode(schema | fields).decode())


def _look_at_secrets(config: "Config", output: "Output") -> None:
    """Warn of what would stop a provider, without running a command or asking anybody."""
    from nexomailer_cli.config.file import all_secrets
    from nexomailer_cli.config.secrets import resolve

    for provider, what, secret in all_secrets(config):
        if secret.kind in ("command", "keyring", "prompt"):
            continue
        label = f"{what} of provider {printable(provider.name)}"
        try:
            resolve(secret, env=os.environ, label=label, warn=output.warn)
        except SecretError as error:
            output.warn(str(error))


def _tell_notes(config: "Config", output: "Output") -> None:
    from nexomailer_cli.config.presets import find_preset

    for provider in config.providers:
        preset = find_preset(provider.preset) if provider.preset else None
        if preset and preset.note:
            output.note(f"{printable(provider.name)} ({provider.preset}): {preset.note}")


def _origin(config: "Config") -> str:
    from nexomailer_cli.config.file import URL_ORIGIN

    return printable(config.path) if config.path else URL_ORIGIN


def _census(config: "Config") -> str:
    names = [printable(provider.name) for provider in config.providers]
    return f"{len(names)} provider{'s' if len(names) > 1 else ''} ({', '.join(names)})"
