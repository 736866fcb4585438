"""Runs a command; every error ends here, as words and an exit status.

`send`, `bulk` and `test-connection` in their plain forms go the straight way (`shortcut`), and so
does `sendmail`; everything else, and every mistake on the command line, is Typer's.
"""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

from nexomailer_cli import errors
from nexomailer_cli.cli.exit_status import ExitStatus, of_error
from nexomailer_cli.cli.output import UNWRITABLE, Output, give_up
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit status. Every error ends here."""
    try:
        return _dispatch(arguments)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else ExitStatus.OK
    except errors.NexomailerError as error:
        return _explain(error, arguments)
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM:
            return _explain(_OF_THE_SYSTEM[error.errno](error), arguments)
        if "--debug" in arguments:
            raise
        return _confess(error, arguments)


def _dispatch(arguments: Sequence[str]) -> int:
    if list(arguments) == ["--version"]:
        from nexomailer_cli import __version__

        _output(arguments).result(f"nexomailer {__version__}")
        return ExitStatus.OK
    from nexomailer_cli.cli.shortcut import straight

    if perform := straight(arguments):
        return perform()
    from nexomailer_cli.cli.app import app

    app(list(arguments), prog_name="nexomailer")
    return ExitStatus.OK


def _unopenable(error: OSError) -> errors.InputError:
    return errors.InputError(
        f"cannot open another file: {error.strerror}",
        hint="Let this process open more of them (“ulimit -n” in a shell).",
    )


def _unwritable(error: OSError) -> errors.OutputError:
    if sys.stdout is not None:
        give_up(sys.stdout)
    return errors.OutputError(f"{UNWRITABLE}: {error.strerror}")


# What typer writes by itself, such as help, and what Python loads, comes back as one of these.
_OF_THE_SYSTEM: dict[int | None, Callable[[OSError], errors.NexomailerError]] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO), _unwritable),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), _unopenable),
}


def _output(arguments: Sequence[str]) -> Output:
    return Output(color="--no-color" not in arguments)


def _confess(error: Exception, arguments: Sequence[str]) -> ExitStatus:
    _output(arguments).error(
        f"{type(error).__name__}: {printable(str(error))[:200]}\n"
        "This is a bug in nexomailer. Run the command again with --debug and report it."
    )
    return ExitStatus.BUG


def _explain(error: errors.NexomailerError, arguments: Sequence[str]) -> ExitStatus:
    output = _output(arguments)
    output.error("\n".join(map(printable, str(error).split("\n"))))
    if error.hint:
        output.note(error.hint)
    return of_error(error)
