"""What the command was asked for -> what is examined.

`Asked` is the command line as values, a `Subject` one server with the terms to meet it on.
Finding a port or a mail domain's servers asks the network; no secret is looked up.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, structs

from nexomailer_cli.config.presets import find_preset, preset_of_domain, preset_of_host
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import (
    SUBMISSION_PORT,
    SUBMISSIONS_PORT,
    Provider,
    SmtpConfig,
)
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.errors import UsageError
from nexomailer_cli.printable import printable
from nexomailer_cli.probe import chosen, report
from nexomailer_cli.probe.typed import ip_version, read_target
from nexomailer_cli.transport.strategy import by_priority

if TYPE_CHECKING:
    from dns.resolver import Resolver

    from nexomailer_cli.config.settings import Config
    from nexomailer_cli.probe.chosen import Chosen
    from nexomailer_cli.probe.typed import Typed

_ARGUMENT = "argument"
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Asked(Struct, frozen=True, kw_only=True):
    """What `test-connection` was asked for.

    `secret` says where the password is, `secret_source` so in a word that may be shown
    (`env:VAR`, `file`, `stdin`, `terminal`). `size` is in octets, `timeout` in seconds for each
    step. `sender` and `recipient` are for the envelope that is tried.
    """

    target: str | None = None
    security: Literal["auto", "starttls", "implicit", "none"] = "auto"
    user: str | None = None
    secret: Secret | None = None
    secret_source: str | None = None
    sender: str | None = None
    recipient: str | None = None
    size: int | None = None
    ca_file: str | None = None
    insecure: bool = False
    helo_name: str | None = None
    timeout: float | None = None
    ip_version: Literal[4, 6] | None = None
    alternatives: bool = True
    strict: bool = False
    mx: bool = False
    form: Literal["words", "json", "ndjson"] = "words"


class Subject(Struct, frozen=True, kw_only=True):
    """One examination: what it is called, how the server is met, and what is remarkable already.

    `provider` is like one from a file. `reasons` are tags that the diagnosis table knows, such
    as `password-in-url`.
    """

    target: report.Target
    provider: Provider
    reasons: tuple[str, ...] = ()


def subjects(
    asked: Asked, config: Config | None, *, resolver: Resolver | None = None
) -> tuple[Subject, ...]:
    """Return what is examined, in this order: one server, every provider, or all exchangers.

    Raises UsageError for a target that makes no sense, ConfigError where there is neither a
    target nor a configuration, TransportError where DNS does not say which servers there are.
    """
    found = _chosen(asked, config, resolver)
    if len(found) > 1 and (asked.user or asked.secret):
        raise UsageError(
            "one password is for one server, and there are several",
            hint="Name the provider: test-connection NAME --user ...",
        )
    return tuple(_subject(each, asked) for each in found)


def _chosen(asked: Asked, config: Config | None, resolver: Resolver | None) -> tuple[Chosen, ...]:
    text = asked.target
    if text is None:
        return _all(config)
    if asked.mx:
        return chosen.of_domain(read_target(text), resolver)
    providers = config.providers if config else ()
    for provider in providers:
        if config and provider.name == text:
            return (chosen.of_config(provider, config),)
    return (_named(text, asked, resolver),)


def _all(config: Config | None) -> tuple[Chosen, ...]:
    if config is None:
        from nexomailer_cli.config.file import no_config

        raise no_config()
    return tuple(chosen.of_config(each, config) for each in by_priority(config.providers))


def _named(text: str, asked: Asked, resolver: Resolver | None) -> Chosen:
    if "://" in text or text.startswith("unix:"):
        return chosen.of_url(text)
    # No preset has a dot or a colon in its name; the table takes time to read.
    preset = None if {".", ":"} & set(text) else find_preset(text.lower())
    if preset is not None:
        return chosen.of_preset(text.lower(), preset)
    typed = read_target(text)
    if typed.address or _is_service(typed):
        return chosen.of_address(typed, resolver, signs_in=bool(asked.user or asked.secret))
    family = _FAMILIES.get(asked.ip_version or 0, socket.AF_UNSPEC)
    return chosen.of_host(typed, security=asked.security, family=family)


def _is_service(typed: Typed) -> bool:
    """Whether a domain was typed where mail is known to have another name, as with `gmail.com`."""
    host = typed.ascii_host
    return typed.port is None and bool(preset_of_domain(host)) and not preset_of_host(host)


def _subject(each: Chosen, asked: Asked) -> Subject:
    config, source = _secured(each, asked)
    auth, source = _signing_in(each, asked, source)
    config = structs.replace(
        config,
        auth=auth,
        name=asked.helo_name or config.name,
        ip_version=asked.ip_version or config.ip_version,
        tls=structs.replace(
            config.tls,
            ca_file=asked.ca_file or config.tls.ca_file,
            reject_unauthorized=config.tls.reject_unauthorized and not asked.insecure,
        ),
    )
    _check_family(config)
    target = report.Target(
        input=_harmless(asked.target if asked.target is not None else each.provider.name),
        host=printable(config.socket or each.host),
        ascii_host=printable(config.socket or each.ascii_host),
        port=config.effective_port,
        security=_security(config),
        source=source,
        provider=each.name and printable(each.name),
        via=_way(config) or each.via,
    )
    provider = structs.replace(each.provider, config=config)
    return Subject(target=target, provider=provider, reasons=each.reasons)


def _secured(each: Chosen, asked: Asked) -> tuple[SmtpConfig, report.Origins]:
    """Let `--security` decide, and the port follow where nobody chose it."""
    config, source, wanted = each.provider.config, each.source, asked.security
    if wanted == "auto":
        return config, source
    is_implicit = wanted == "implicit"
    changed = structs.replace(
        config,
        secure=is_implicit,
        starttls={"starttls": "required", "none": "never"}.get(wanted, config.starttls),
    )
    source = structs.replace(source, security=_ARGUMENT)
    if each.port_follows and is_implicit != config.implicit_tls:
        port = SUBMISSIONS_PORT if is_implicit else SUBMISSION_PORT
        return (
            structs.replace(changed, port=port),
            structs.replace(source, port="inferred:security"),
        )
    return changed, source


def _signing_in(
    each: Chosen, asked: Asked, source: report.Origins
) -> tuple[Auth | None, report.Origins]:
    present = each.provider.config.auth
    if asked.insecure:
        # A server that need not prove who it is gets no password, and no user name either.
        return None, structs.replace(source, user=None, secret=None)
    if asked.user is None and asked.secret is None:
        return present, source
    user = asked.user or (present.user if present else each.address)
    if not user:
        raise UsageError("there is a password, but nobody it belongs to", hint="Add --user NAME.")
    secret = asked.secret or Secret("prompt")
    is_typed = asked.user is not None or present is None
    return (
        Auth(user=user, password=secret),
        structs.replace(
            source,
            user=_ARGUMENT if is_typed else source.user,
            secret=asked.secret_source or secret.kind,
        ),
    )


def _check_family(config: SmtpConfig) -> None:
    wanted = config.ip_version
    for address in (config.host, config.source_address or ""):
        if wanted and ip_version(address) not in (None, wanted):
            raise UsageError(
                f"-{wanted} does not go with {printable(address)}",
                hint=f"That is an address of the other version of IP: leave -{wanted} out.",
            )


def _security(config: SmtpConfig) -> report.Security:
    if config.implicit_tls:
        return "implicit"
    return "none" if config.starttls == "never" else "starttls"


def _way(config: SmtpConfig) -> Literal["proxy", "socket", ""]:
    if config.socket is not None:
        return "socket"
    return "proxy" if config.proxy is not None else ""


def _harmless(text: str) -> str:
    """Return what was typed without the password that a URL may hold."""
    scheme, between, rest = text.partition("://")
    user, at, place = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    return printable(f"{scheme}{between}{name}{':***' if colon else ''}{at}{place}")
