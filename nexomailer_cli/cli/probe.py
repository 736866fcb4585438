"""`nexomailer test-connection`: what is wrong with a mail server, and what to do about it."""

from typing import Annotated

import typer

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.options import ConfigPath, Debug, NoColor, Quiet, Verbose, Version, settle


def probe(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]",
            help="host, host:port, smtps://host, a provider's name, gmail, or me@example.com.",
            show_default=False,
        ),
    ] = None,
    security: Annotated[
        str,
        typer.Option(metavar="MODE", help="auto, starttls, implicit or none."),
    ] = "auto",
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Sign in as; asks for the password.")
    ] = None,
    password_env: Annotated[
        str | None, typer.Option(metavar="VAR", help="The password is in this variable.")
    ] = None,
    password_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The password is in this file.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="The password is the first line of stdin.")
    ] = False,
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="ADDR", help="Try this sender; nothing is sent."),
    ] = None,
    recipient: Annotated[
        str | None,
        typer.Option("--rcpt", metavar="ADDR", help="Try this recipient; nothing is sent."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="OCTETS", help="Would a message of this size pass? E.g. 25MB."),
    ] = None,
    ca_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="PEM file of authorities to trust.")
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Go on with any certificate; never sends a password."),
    ] = False,
    helo_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="EHLO name; default: as for sending.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="Longest wait in each step.")
    ] = None,
    only_4: Annotated[bool, typer.Option("-4", help="IPv4 only.")] = False,
    only_6: Annotated[bool, typer.Option("-6", help="IPv6 only.")] = False,
    no_alternatives: Annotated[
        bool, typer.Option("--no-alternatives", help="Do not look at neighbouring ports.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings exit with 1.")] = False,
    mx: Annotated[
        bool, typer.Option("--mx", help="TARGET is a domain: examine its mail exchangers.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    as_ndjson: Annotated[
        bool, typer.Option("--ndjson", help="JSON Lines: each stage, and the report last.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of --json and exit.")
    ] = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Examine a mail server step by step, and say what is wrong with it.

    Without TARGET every provider of the configuration is examined. Nothing is sent. The exit
    status says what is wrong: 0 ready to send, 68 no such host, 69 cannot be reached, 75 try
    again later, 76 no SMTP or a bad certificate, 77 sign-in refused, 78 configuration.
    """
    from nexomailer_cli.cli.probe_options import ProbeOptions, asked_of

    everywhere = settle(context, Globals(config, verbose, quiet, no_color, debug))
    if schema:
        from nexomailer_cli.cli.screen_schema import report_schema

        everywhere.output.result(report_schema().decode())
        raise typer.Exit
    options = ProbeOptions(
        target=target,
        security=security,
        user=user,
        password_env=password_env,
        password_file=password_file,
        password_stdin=password_stdin,
        sender=sender,
        recipient=recipient,
        size=size,
        ca_file=ca_file,
        insecure=insecure,
        helo_name=helo_name,
        timeout=timeout,
        only_4=only_4,
        only_6=only_6,
        alternatives=not no_alternatives,
        strict=strict,
        mx=mx,
        as_json=as_json,
        as_ndjson=as_ndjson,
    )
    asked = asked_of(options)
    from nexomailer_cli.cli.probing import perform

    raise typer.Exit(perform(asked, everywhere))
