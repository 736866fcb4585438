"""The command line: which commands there are, and which options stand before all of them.

A command's module is imported when the command is called, and by `--help`, which shows
its first line; what a command needs is imported in its body.
"""

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.options import ConfigPath, Debug, NoColor, Quiet, Verbose, Version

# Command -> module and the functions in it; more than one make a group.
COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "send": ("send", ("send",)),
    "test-connection": ("probe", ("probe",)),
    "explain": ("explain", ("explain",)),
    "bulk": ("bulk", ("bulk",)),
    "journal": ("journal", ("status", "rows")),
    "sendmail": ("sendmail", ("sendmail",)),
    "sandbox": ("sandbox", ("sandbox",)),
    "auth": ("auth", ("login", "status", "logout")),
    "config": ("config", ("init", "check", "show", "path", "schema")),
}


# Every option of these is an argument: they are called by other programs, in their ways.
_SETTINGS = {"sendmail": {"ignore_unknown_options": True, "help_option_names": ["--help"]}}


class _Commands(TyperGroup):
    """The commands, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module_name, functions = COMMANDS[cmd_name]
        module = importlib.import_module(f"nexomailer_cli.cli.{module_name}")
        part = _typer(help=module.__doc__ if len(functions) > 1 else None)
        for function in functions:
            name = cmd_name if len(functions) == 1 else function
            part.command(name, context_settings=_SETTINGS.get(name))(getattr(module, function))
        command = typer.main.get_command(part)
        command.name = cmd_name
        return command


def _typer(*, add_completion: bool = False, **settings: Any) -> typer.Typer:
    return typer.Typer(
        # Rich help costs 50 to 110 ms, and its tracebacks show source lines and, in older
        # releases, local variables, one of which may be a password.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=add_completion,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,
    )


app = _typer(cls=_Commands, add_completion=True)


@app.callback()
def main(
    context: typer.Context,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Send mail through prioritized SMTP providers, with failover that understands errors."""
    context.obj = Globals(config, verbose, quiet, no_color, debug)
