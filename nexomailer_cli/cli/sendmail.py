"""`nexomailer sendmail`: what cron, git, mutt and PHP call as /usr/sbin/sendmail."""

from typing import Annotated

import typer

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.options import settle


def sendmail(
    context: typer.Context,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-t -i -f ADDR ...] [--] [ADDR]...", help="As for sendmail."),
    ] = None,
) -> None:
    """Send the finished message on standard input, called the way sendmail is.

    -t reads the recipients from To, Cc and Bcc, -f gives the envelope sender (<> for none), -F the
    author's name, -N the delivery reports, -v shows the conversation, -C names the
    configuration. What is about queues and delivery is ignored, and so is -i: a single dot never
    ends the message.
    """
    from nexomailer_cli.cli.sendmail_run import perform

    raise typer.Exit(perform(arguments or [], settle(context, Globals())))
