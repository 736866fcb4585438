"""`nexomailer send`: one message, from a shell, a pipeline or CI."""

from typing import Annotated

import typer

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.options import ConfigPath, Debug, NoColor, Quiet, Verbose, Version, settle

Many = list[str] | None


def send(
    context: typer.Context,
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="ADDR", help="Sender; default: defaults.from."),
    ] = None,
    to: Annotated[
        Many,
        typer.Option(metavar="ADDR", help='Recipients: "A <a@x>, b@y", or @FILE. Repeatable.'),
    ] = None,
    cc: Annotated[Many, typer.Option(metavar="ADDR", help="Copies, likewise.")] = None,
    bcc: Annotated[
        Many, typer.Option(metavar="ADDR", help="Copies that nobody sees, likewise.")
    ] = None,
    reply_to: Annotated[
        Many, typer.Option(metavar="ADDR", help="Where answers go, likewise.")
    ] = None,
    subject: Annotated[str | None, typer.Option(metavar="TEXT", help="Subject.")] = None,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT|@FILE|-",
            help="Text body; - reads stdin, @@ begins a text with an @.",
        ),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT|@FILE|-", help="HTML body; without --text a text part is made of it."
        ),
    ] = None,
    markdown: Annotated[
        str | None,
        typer.Option(metavar="TEXT|@FILE|-", help="Markdown body, sent as text and HTML."),
    ] = None,
    attach: Annotated[
        Many,
        typer.Option(
            metavar="PATH|GLOB[:TYPE]", help="Attach files; a glob must match. Repeatable."
        ),
    ] = None,
    inline: Annotated[
        Many,
        typer.Option(
            metavar="CID=PATH", help='Image for the HTML body, as <img src="cid:CID">. Repeatable.'
        ),
    ] = None,
    header: Annotated[
        Many, typer.Option(metavar="'NAME: VALUE'", help="Further header field. Repeatable.")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Jinja2 template: header lines, a blank line, the body (.txt, .md or .html).",
        ),
    ] = None,
    var: Annotated[
        Many,
        typer.Option(
            metavar="KEY=VALUE",
            help="Value for templates; with any, subject and bodies are templates. Repeatable.",
        ),
    ] = None,
    variables: Annotated[
        str | None, typer.Option("--vars", metavar="FILE.json", help="Values for templates.")
    ] = None,
    raw: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-",
            help="A finished RFC 5322 message; recipients from its headers unless --to is given.",
        ),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use this provider only.")
    ] = None,
    no_failover: Annotated[
        bool, typer.Option("--no-failover", help="Use the first provider only.")
    ] = False,
    only_4: Annotated[bool, typer.Option("-4", help="IPv4 only.")] = False,
    only_6: Annotated[bool, typer.Option("-6", help="IPv6 only.")] = False,
    deadline: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="Give up after this long, all providers together."),
    ] = None,
    retry_for: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Retry temporary failures for this long, e.g. 30m."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Compose, check and print the message; send nothing."),
    ] = False,
    output_file: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE.eml", help="Keep the message.")
    ] = None,
    list_unsubscribe: Annotated[
        Many,
        typer.Option(
            metavar="URL|MAILTO",
            help="List-Unsubscribe; an https URL also makes it one-click (RFC 8058). Repeatable.",
        ),
    ] = None,
    message_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Message-ID; default: a new one.")
    ] = None,
    in_reply_to: Annotated[
        str | None, typer.Option(metavar="ID", help="Message-ID that this one answers.")
    ] = None,
    envelope_from: Annotated[
        str | None,
        typer.Option(metavar="ADDR", help="Where bounces go; <> for nowhere. Default: the sender."),
    ] = None,
    dsn: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="Delivery reports: never, or some of success,failure,delay."
        ),
    ] = None,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Send to a capture server started for this command only."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Send one message.

    The body comes from --text, --html, --markdown, --template, or stdin. The exit status
    says what became of it: 0 accepted, 3 by some recipients, 4 unknown, 65 refused for
    good, 75 try again later, 77 sign-in refused, 78 configuration.
    """
    from nexomailer_cli.cli.send_options import SendOptions
    from nexomailer_cli.cli.sending import perform

    options = SendOptions(
        sender=sender,
        to=tuple(to or ()),
        cc=tuple(cc or ()),
        bcc=tuple(bcc or ()),
        reply_to=tuple(reply_to or ()),
        subject=subject,
        text=text,
        html=html,
        markdown=markdown,
        attach=tuple(attach or ()),
        inline=tuple(inline or ()),
        header=tuple(header or ()),
        template=template,
        var=tuple(var or ()),
        vars_file=variables,
        raw=raw,
        provider=provider,
        failover=not no_failover,
        only_4=only_4,
        only_6=only_6,
        deadline=deadline,
        retry_for=retry_for,
        dry_run=dry_run,
        output_file=output_file,
        list_unsubscribe=tuple(list_unsubscribe or ()),
        message_id=message_id,
        in_reply_to=in_reply_to,
        envelope_from=envelope_from,
        dsn=dsn,
        sandbox=sandbox,
        as_json=as_json,
    )
    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    raise typer.Exit(perform(options, everywhere))
