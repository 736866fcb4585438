"""`config check`: every mistake, what is careless, and with `--connect` what servers say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.cli.request import check_standing_headers
from nexomailer_cli.config.file import URL_ORIGIN, all_secrets, load_config
from nexomailer_cli.config.presets import find_preset
from nexomailer_cli.config.secrets import resolve
from nexomailer_cli.core import rewriting_for
from nexomailer_cli.errors import ConfigError, SecretError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from nexomailer_cli.cli.everywhere import Globals
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.config.settings import Config, Provider
    from nexomailer_cli.probe.report import Examinations

# Where a look would run something, ask somebody, or unlock something.
_NOT_LOOKED_AT = ("command", "keyring", "prompt")


def perform(everywhere: Globals, *, connects: bool, as_json: bool) -> int:
    """Check the configuration, tell, and return the exit status; raise ConfigError.

    With `as_json` mistakes are one JSON object as well.
    """
    output = everywhere.output
    try:
        config = _checked(everywhere)
    except ConfigError as error:
        if not as_json:
            raise
        _write(output, _refusal(error))
        return ExitStatus.CONFIG
    if not connects:
        _look_at_secrets(config, output)
    _tell_notes(config, output)
    if not as_json:
        output.result(f"{_origin(config)}: ok, {_census(config)}")
    several = _connected(config, output, as_json=as_json) if connects else None
    if as_json:
        _write(output, _verdict(config, several))
    return several.exit_code if several else ExitStatus.OK


def _checked(everywhere: Globals) -> Config:
    config = load_config(everywhere.config, os.environ, warn=everywhere.output.warn)
    check_standing_headers(config.defaults)
    for provider in config.providers:
        rewriting_for(provider)
    return config


def _connected(config: Config, output: Output, *, as_json: bool) -> Examinations:
    from nexomailer_cli.cli.probing import examine_all
    from nexomailer_cli.probe.target import Asked

    return examine_all(Asked(form="json" if as_json else "words"), config, output)


def _verdict(config: Config, several: Examinations | None) -> dict[str, Any]:
    names = [provider.name for provider in config.providers]
    connections = {} if several is None else {"connections": several}
    code = ExitStatus.OK if several is None else several.exit_code
    return {
        "path": config.path,
        "providers": names,
        "problems": [],
        **connections,
        "exit_code": code,
    }


def _refusal(error: ConfigError) -> dict[str, Any]:
    problems = [
        {"file": each.file or None, "line": each.line, "key": each.key, "message": each.message}
        for each in error.problems
    ]
    return {"path": None, "providers": [], "problems": problems, "exit_code": ExitStatus.CONFIG}


def _write(output: Output, fields: dict[str, Any]) -> None:
    schema = {"schema": "nexomailer.config-check/1"}
    output.result(msgspec.json.encode(schema | fields).decode())


def _look_at_secrets(config: Config, output: Output) -> None:
    """Warn of what would stop a provider, without running a command or asking anybody."""
    for provider, what, secret in all_secrets(config):
        if secret.kind in _NOT_LOOKED_AT:
            continue
        label = f"{what} of provider {printable(provider.name)}"
        try:
            resolve(secret, env=os.environ, label=label, warn=output.warn)
        except SecretError as error:
            output.warn(str(error))


def _tell_notes(config: Config, output: Output) -> None:
    for provider in config.providers:
        preset = find_preset(provider.preset) if provider.preset else None
        if preset is None:
            continue
        if preset.user_form == "address" and not _is_address(provider):
            output.warn(
                f"user of provider {printable(provider.name)}: {provider.preset} wants the whole"
                " address, such as me@example.com"
            )
        if preset.note:
            output.note(f"{printable(provider.name)} ({provider.preset}): {preset.note}")


def _is_address(provider: Provider) -> bool:
    auth = provider.config.auth
    return auth is None or "@" in auth.user


def _origin(config: Config) -> str:
    return printable(config.path) if config.path else URL_ORIGIN


def _census(config: Config) -> str:
    names = [printable(provider.name) for provider in config.providers]
    return f"{len(names)} provider{'s' if len(names) > 1 else ''} ({', '.join(names)})"
