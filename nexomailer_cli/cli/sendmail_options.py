"""The command line of sendmail(8), as cron, git, mutt and PHP write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.errors import UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

# Of Sendmail, Postfix and Exim; those with a colon take a value.
_LETTERS = "A:B:C:F:GL:N:O:R:UV:X:b:d:e:f:h:imno:p:r:tv"
_NO_QUEUE = "nexomailer keeps no queue: what cannot be sent is told by the exit status, 75"


class SendmailOptions(Struct, frozen=True, kw_only=True):
    """What is asked for; options about queues, delivery and privileges mean nothing here.

    `sender` is the envelope's, empty for the null reverse-path, `name` the author's, and
    `notify` the value of `-N` as it was given.
    """

    recipients: tuple[str, ...] = ()
    reads_recipients: bool = False
    sender: str | None = None
    name: str = ""
    notify: str | None = None
    config: str | None = None
    is_verbose: bool = False


def read_arguments(arguments: Sequence[str]) -> SendmailOptions:
    """Return what the arguments ask for; raise UsageError for what is not understood."""
    import getopt

    for argument in arguments:
        if argument == "--":
            break
        # Its value stands behind it or not at all, which getopt does not know.
        if argument.startswith("-q"):
            raise UsageError(f"sendmail {printable(argument)}: {_NO_QUEUE}")
    try:
        found, recipients = getopt.gnu_getopt(list(arguments), _LETTERS)
    except getopt.GetoptError as error:
        raise UsageError(f"sendmail: {printable(str(error))}") from error
    given = dict(found)
    mode = given.get("-b", "m")
    if mode != "m":
        why = _NO_QUEUE if mode == "p" else "only messages are taken, from standard input (-bm)"
        raise UsageError(f"sendmail -b{printable(mode)}: {why}")
    sender = given.get("-f", given.get("-r"))
    return SendmailOptions(
        recipients=tuple(recipients),
        reads_recipients="-t" in given,
        sender="" if sender == "<>" else sender,
        name=given.get("-F", ""),
        notify=given.get("-N"),
        config=given.get("-C"),
        is_verbose="-v" in given,
    )
