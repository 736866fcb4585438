"""What is examined, before the options of the command change it, and how that is known.

One function for each kind of target. Whatever it is, a provider like one from a file comes of
it, so that the doctor meets the server on the terms that mail is sent on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, structs

from nexomailer_cli.config.presets import find_preset, preset_of_host
from nexomailer_cli.config.settings import Provider, SmtpConfig
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.errors import ConfigError, UsageError
from nexomailer_cli.idn import to_ascii
from nexomailer_cli.printable import printable
from nexomailer_cli.probe.exchangers import EXCHANGER_PORT, exchangers
from nexomailer_cli.probe.mail_domain import submission_of
from nexomailer_cli.probe.port_race import faster_port
from nexomailer_cli.probe.report import Origins
from nexomailer_cli.probe.typed import check_url, ip_version, read_host

if TYPE_CHECKING:
    import socket

    from dns.resolver import Resolver

    from nexomailer_cli.config.presets import Preset
    from nexomailer_cli.config.settings import Config
    from nexomailer_cli.probe.typed import Typed

_BY_PORT = "inferred:port"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")  # all that a secret's text may be
# Where the port came with the mode; who changes the mode changes the port too.
_TOGETHER = ("preset:", "default", "inferred:", "race", "srv")


class Chosen(Struct, frozen=True, kw_only=True):
    """A provider, its host as people write it and as DNS has it, and where everything came from.

    `name` is the provider's in the configuration. `address` is the mail address that was typed.
    """

    host: str
    ascii_host: str
    provider: Provider
    source: Origins
    reasons: tuple[str, ...] = ()
    name: str | None = None
    address: str = ""
    via: Literal["direct", "mx"] = "direct"

    @property
    def port_follows(self) -> bool:
        """Whether nobody asked for this port in particular."""
        return self.source.port.startswith(_TOGETHER)


def of_config(provider: Provider, config: Config) -> Chosen:
    """Return a provider of the configuration."""
    from nexomailer_cli.config.file import URL_VARIABLE

    written = "config" if config.path else f"env:{URL_VARIABLE}"
    smtp, auth = provider.config, provider.config.auth
    preset = find_preset(provider.preset) if provider.preset else None

    def origin(value: object, of_preset: object) -> str:
        return f"preset:{provider.preset}" if preset and value == of_preset else written

    mode, its_mode = (smtp.port, smtp.secure), preset and (preset.port, preset.secure)
    return Chosen(
        host=smtp.host,
        ascii_host=_ascii(smtp.host),
        provider=provider,
        name=provider.name,
        source=Origins(
            host=origin(smtp.host, preset and preset.host),
            port="default" if smtp.port is None else origin(mode, its_mode),
            security=_BY_PORT if _port_decides(smtp) else origin(mode, its_mode),
            user=origin(auth.user, preset and preset.user) if auth else None,
            secret=_kept(auth, written),
        ),
    )


def of_preset(name: str, preset: Preset) -> Chosen:
    """Return a known service, without an account."""
    config = SmtpConfig(host=preset.host, port=preset.port, secure=preset.secure)
    return Chosen(
        host=preset.host,
        ascii_host=preset.host,
        provider=Provider(name=name, preset=name, config=config),
        source=_all_from(f"preset:{name}"),
    )


def of_url(url: str) -> Chosen:
    """Return what a URL says; raise UsageError, which quotes none of it."""
    from nexomailer_cli.config.file import config_of_url
    from nexomailer_cli.config.url import SCHEMES

    check_url(url, SCHEMES)
    try:
        (provider,) = config_of_url(url, {}, file="TARGET", asks=True).providers
    except ConfigError as error:
        raise UsageError(str(error), hint=error.hint) from None
    smtp, auth = provider.config, provider.config.auth
    ascii_host = smtp.host if ip_version(smtp.host) else read_host(smtp.host)
    usual = "inferred:scheme" if smtp.secure else "default"
    kept = _kept(auth, "url")
    return Chosen(
        host=smtp.host,
        ascii_host=ascii_host,
        provider=_at(ascii_host, smtp),
        source=Origins(
            host="url",
            port=usual if smtp.port is None else "url",
            security=_BY_PORT if _port_decides(smtp) else "url",
            user="url" if auth else None,
            secret=kept,
        ),
        # The shell's history has it now, and for a moment everybody who runs `ps`.
        reasons=("password-in-url",) if kept == "url" else (),
    )


def of_host(typed: Typed, *, security: str, family: socket.AddressFamily) -> Chosen:
    """Return a server; where no port was typed, the one that is usual for it, or answers there.

    `security` is what the command asks for, or `auto`.
    """
    host = typed.ascii_host
    if typed.port is not None:
        chosen = SmtpConfig(host=host, port=typed.port), "argument", _BY_PORT
    elif security != "auto":
        chosen = SmtpConfig(host=host, secure=security == "implicit"), "inferred:security", _BY_PORT
    elif (name := preset_of_host(host.rstrip("."))) and (preset := find_preset(name)):
        origin = f"preset:{name}"
        chosen = SmtpConfig(host=host, port=preset.port, secure=preset.secure), origin, origin
    else:
        port = faster_port(host, family=family)
        chosen = SmtpConfig(host=host, port=port), "race", _BY_PORT
    config, port_origin, security_origin = chosen
    return Chosen(
        host=typed.host,
        ascii_host=host,
        provider=_at(host, config),
        source=Origins(host="argument", port=port_origin, security=security_origin),
    )


def of_address(typed: Typed, resolver: Resolver | None, *, signs_in: bool) -> Chosen:
    """Return the server that the people of a mail domain send through.

    Raises UsageError if nobody knows it, or if only DNS says so and it would be given a password.
    """
    domain = typed.ascii_host
    found = submission_of(domain, resolver)
    if signs_in and not found.belongs_to(domain):
        raise UsageError(
            f"no password is sent: only DNS says that the people of {domain} send through"
            f" {found.host}, and DNS can be forged",
            hint=f"If that is right, name the server: {found.host}:{found.port}, with --user.",
        )
    config = SmtpConfig(host=found.host, port=found.port, secure=found.is_implicit)
    return Chosen(
        host=found.host,
        ascii_host=found.host,
        provider=_at(found.host, config),
        source=_all_from(found.origin),
        address=typed.address,
    )


def of_domain(typed: Typed, resolver: Resolver | None) -> tuple[Chosen, ...]:
    """Return the mail exchangers of a domain, as another mail server would meet them.

    Raises UsageError for what is no domain, and TransportError as `exchangers` does.
    """
    if typed.port is not None or not typed.is_name:
        raise UsageError(
            "--mx: TARGET must be a domain, without a port",
            hint="To examine one server, leave --mx out.",
        )
    domain = typed.ascii_host.rstrip(".")
    return tuple(_exchanger(host, domain) for host in exchangers(domain, resolver))


def _exchanger(host: str, domain: str) -> Chosen:
    origin = "inferred:domain" if host == domain else "mx"
    return Chosen(
        host=host,
        ascii_host=host,
        provider=_at(host, SmtpConfig(host=host, port=EXCHANGER_PORT)),
        source=Origins(host=origin, port="mx", security=_BY_PORT),
        via="mx",
    )


def _at(host: str, config: SmtpConfig) -> Provider:
    return Provider(name=host, config=structs.replace(config, host=host))


def _all_from(origin: str) -> Origins:
    return Origins(host=origin, port=origin, security=origin)


def _port_decides(config: SmtpConfig) -> bool:
    return config.secure is None and config.starttls == "auto"


def _ascii(host: str) -> str:
    """Return a configured host as DNS has it; where it has no such form, DNS will say so."""
    if host.isascii():
        return host
    try:
        return to_ascii(host)
    except ValueError:
        return host


def _kept(auth: Auth | None, written: str) -> str | None:
    """Return where the secret is kept; `written` is where the text of it would stand."""
    if auth is None:
        return None
    if auth.is_renewable:
        return "oauth2"
    secret = auth.given_token if auth.type == "oauth2" else auth.password
    if secret is None:
        return None
    if secret.kind == "env":
        return f"env:{printable(secret.parts[0])}"
    if secret.kind != "text":
        return secret.kind
    variable = _VARIABLE.fullmatch(secret.parts[0])
    return f"env:{variable[1]}" if variable else written
