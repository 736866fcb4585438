"""`nexomailer bulk`: the same message to many, each one personal."""

from typing import Annotated

import typer

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.options import ConfigPath, Debug, NoColor, Quiet, Verbose, Version, settle

Many = list[str] | None


def bulk(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(metavar="INPUT", help="Rows: .csv, .tsv, .jsonl, or - for standard input."),
    ],
    template: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Jinja2 template: header lines, a blank line, the body (.txt, .md or .html).",
        ),
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="TEMPLATE", help="Sender; default: defaults.from."),
    ] = None,
    to: Annotated[
        Many, typer.Option(metavar="TEMPLATE", help='Recipients; default: "{{ email }}".')
    ] = None,
    cc: Annotated[Many, typer.Option(metavar="TEMPLATE", help="Copies.")] = None,
    bcc: Annotated[Many, typer.Option(metavar="TEMPLATE", help="Copies that nobody sees.")] = None,
    reply_to: Annotated[Many, typer.Option(metavar="TEMPLATE", help="Where answers go.")] = None,
    subject: Annotated[str | None, typer.Option(metavar="TEMPLATE", help="Subject.")] = None,
    text: Annotated[str | None, typer.Option(metavar="TEMPLATE|@FILE", help="Text body.")] = None,
    html: Annotated[
        str | None,
        typer.Option(metavar="TEMPLATE|@FILE", help="HTML body; values in it are escaped."),
    ] = None,
    markdown: Annotated[
        str | None,
        typer.Option(metavar="TEMPLATE|@FILE", help="Markdown body, sent as text and HTML."),
    ] = None,
    attach: Annotated[
        Many, typer.Option(metavar="TEMPLATE", help="Path of a file to attach. Repeatable.")
    ] = None,
    attach_root: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Attachments named by rows lie below this folder; default: that of the input.",
        ),
    ] = None,
    header: Annotated[
        Many, typer.Option(metavar="'NAME: TEMPLATE'", help="Further header field. Repeatable.")
    ] = None,
    list_unsubscribe: Annotated[
        Many,
        typer.Option(
            metavar="TEMPLATE",
            help="List-Unsubscribe: a URL or mailto. An https URL also makes it one-click.",
        ),
    ] = None,
    envelope_from: Annotated[
        str | None, typer.Option(metavar="ADDR", help="Where bounces go; <> for nowhere.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHAR", help="Between fields; default: found out.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the input; default: UTF-8 or its mark's.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What identifies a row; default: the address."),
    ] = None,
    dedupe: Annotated[
        str,
        typer.Option(
            metavar="error|skip|keep", help="What to do with a second row of one address."
        ),
    ] = "error",
    suppress: Annotated[
        Many,
        typer.Option(
            metavar="FILE",
            help="Addresses and @domains that get nothing, one per line. Repeatable.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Examine everything; send nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make the messages; send nothing.")
    ] = False,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="DIR", help="Where --dry-run puts its .eml files."),
    ] = None,
    test_to: Annotated[
        str | None, typer.Option(metavar="ADDR", help="Send one row's message to this address.")
    ] = None,
    row: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Which row --test-to takes; default: the first."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only so many rows of the input.")
    ] = None,
    offset: Annotated[
        int, typer.Option(metavar="N", min=0, help="Leave out so many rows at the beginning.")
    ] = 0,
    connections: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=1000, help="Connections; default: max_connections."),
    ] = None,
    rate: Annotated[
        Many,
        typer.Option(metavar="N/UNIT", help="At most so many, e.g. 14/s or 2000/h. Repeatable."),
    ] = None,
    max_errors: Annotated[
        str | None, typer.Option(metavar="N|P%", help="Stop when so many rows have failed.")
    ] = None,
    retry_for: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Retry deferred rows for this long; default: 1h."),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use this provider only.")
    ] = None,
    no_failover: Annotated[
        bool, typer.Option("--no-failover", help="Use the first provider only.")
    ] = False,
    only_4: Annotated[bool, typer.Option("-4", help="IPv4 only.")] = False,
    only_6: Annotated[bool, typer.Option("-6", help="IPv6 only.")] = False,
    journal: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Record of the run; default: INPUT.journal."),
    ] = None,
    durable: Annotated[
        bool,
        typer.Option("--durable", help="Let every record reach the disk before its message ends."),
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes", help="Continue although input or message have been changed."
        ),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Send rejected and deferred rows again.")
    ] = False,
    resend_unknown: Annotated[
        bool,
        typer.Option("--resend-unknown", help="Send rows again that may have been delivered."),
    ] = False,
    report: Annotated[
        str | None,
        typer.Option(metavar="FILE.csv", help="Write every row with what became of it."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per event on stdout.")
    ] = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Send one message to many, each row of a table its own.

    Everything is checked before the first message. What is attempted and what becomes of it
    is kept in a journal: the same command again continues, and sends nobody a second copy.
    """
    given = locals()
    from nexomailer_cli.cli.bulk_options import options_of
    from nexomailer_cli.cli.bulking import perform

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    raise typer.Exit(perform(options_of(given), everywhere))
