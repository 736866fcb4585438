"""The course of `nexomailer sendmail`: a finished message in, an exit status out."""

from __future__ import annotations

import os
import socket
import time
from functools import cache
from typing import TYPE_CHECKING

from msgspec import structs

from nexomailer_cli.cli import sources
from nexomailer_cli.cli.request import notify_of
from nexomailer_cli.cli.sending import deliver_and_report, wishes_for
from nexomailer_cli.cli.sendmail_options import SendmailOptions, read_arguments
from nexomailer_cli.config.file import load_config
from nexomailer_cli.errors import AddressError, UsageError
from nexomailer_cli.message.address import parse_address
from nexomailer_cli.message.local import completed, with_domain
from nexomailer_cli.message.mailboxes import mailboxes
from nexomailer_cli.message.raw import read_raw
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.envelope import distinct
from nexomailer_cli.transport.own_name import ehlo_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nexomailer_cli.cli.everywhere import Globals
    from nexomailer_cli.config.settings import Defaults
    from nexomailer_cli.message.draft import Address
    from nexomailer_cli.smtp.envelope import Mail


def perform(arguments: Sequence[str], everywhere: Globals) -> int:
    """Send what stands on standard input; return the exit status."""
    started = time.monotonic()
    options = read_arguments(arguments)
    if options.is_verbose:
        everywhere = structs.replace(everywhere, verbose=True)
    output = everywhere.output
    config = load_config(options.config or everywhere.config, os.environ, warn=output.warn)
    defaults = config.standing
    mail = submitted(sources.read_stdin("--raw"), options, defaults)
    wishes = wishes_for(
        mail,
        started=started,
        deadline=defaults.deadline,
        retry_for=defaults.retry_for,
    )
    # A finished message: no provider changes what it says.
    wishes = structs.replace(wishes, keeps_content=True)
    return deliver_and_report(config, mail, wishes, output, as_json=False)


def submitted(content: bytes, options: SendmailOptions, defaults: Defaults) -> Mail:
    """Return the mail; raise UsageError without a recipient, MessageError for a bad message."""
    # Asked only where a name is local: it may not be known.
    author = cache(lambda: _author(options, defaults))
    recipients = _recipients(options, author)
    if not (recipients or options.reads_recipients):
        raise UsageError("there is no recipient", hint="Name one, or read them with -t.")
    sender = defaults.envelope_from if options.sender is None else options.sender
    if sender:
        sender = _address(with_domain(sender, author), "-f")
    mail = read_raw(
        completed(content, author),
        recipients=None if options.reads_recipients else recipients,
        sender=sender,
        notify=notify_of(options.notify),
    )
    if not options.reads_recipients:
        return mail
    everybody = distinct((*mail.envelope.recipients, *recipients))
    return structs.replace(mail, envelope=structs.replace(mail.envelope, recipients=everybody))


def _recipients(options: SendmailOptions, author: Callable[[], Address]) -> tuple[str, ...]:
    # Not `sources.addresses`: what a program passes on must not name a file to read.
    try:
        found = [mailboxes(with_domain(each, author)) for each in options.recipients]
    except AddressError as error:
        raise UsageError(f"sendmail: {error}", hint=error.hint) from error
    return distinct(address.spec for addresses in found for address in addresses)


def _address(text: str, option: str) -> str:
    try:
        return parse_address(text).spec
    except AddressError as error:
        raise UsageError(f"sendmail {option}: {error}", hint=error.hint) from error


def _author(options: SendmailOptions, defaults: Defaults) -> Address:
    """Return who writes where the message does not say, and whose domain local names have."""
    if defaults.from_ is not None:
        author = sources.typed_address(defaults.from_, "defaults.from")
    elif options.sender and "@" in options.sender:
        author = parse_address(_address(options.sender, "-f"))
    else:
        author = parse_address(f"{_user()}@{_domain()}")
    return structs.replace(author, name=options.name) if options.name else author


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no variable, and no entry in the table of users
        return "nobody"


def _domain() -> str:
    name = ehlo_name(None, "", socket.gethostname())
    if not name:
        host = printable(socket.gethostname())
        raise UsageError(
            f"local names cannot be completed: this machine is called {host}, without a domain",
            hint="Set defaults.from in the configuration; its domain is used.",
        )
    return name
