"""The one place that builds transports: configuration in, a ready Transport out.

Nothing is connected and no secret resolved here; that happens when a provider is used.
"""

from __future__ import annotations

import functools
import socket
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from nexomailer_cli.credentials import Wallet
from nexomailer_cli.errors import ConfigError, MessageError, Problem, UsageError
from nexomailer_cli.transport.base import Observer, Transport, unobserved
from nexomailer_cli.transport.strategy import by_priority, round_robin, serving, weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nexomailer_cli.config.settings import Config, Provider, SmtpConfig
    from nexomailer_cli.pool.desk import Desk, PoolLimits
    from nexomailer_cli.pool.pool import Pool
    from nexomailer_cli.smtp.auth import Credentials
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.transport.account import Account
    from nexomailer_cli.transport.terms import Terms


class Wishes(Struct, frozen=True, kw_only=True):
    """What one run wants of its transport.

    `provider` names the only one to use. `author` is the address that the mail is from for its
    readers, where it matters to which provider. `deadline` is a moment of `time.monotonic`,
    `retry_for` a duration in seconds. `sender` is the envelope sender, whose domain may
    serve as the EHLO name. `keeps_content` is for a finished message, whose header fields no
    provider may change.
    """

    sender: str = ""
    keeps_content: bool = False
    provider: str | None = None
    author: str | None = None
    failover: bool = True
    deadline: float = float("inf")
    retry_for: float = 0.0


class Surroundings(Struct, frozen=True, kw_only=True):
    """What secrets may be resolved from, and who listens.

    `prompt` asks a person, `warn` is told what is careless about a secret. `blocking` is
    entered for what may be interrupted: looking one up, and waiting for a server with one mail.
    """

    env: Mapping[str, str]
    prompt: Callable[[str], str] | None = None
    warn: Callable[[str], None] | None = None
    blocking: Callable[[], AbstractContextManager[None]] = nullcontext
    observer: Observer = unobserved


def open_transport(config: Config, wishes: Wishes, around: Surroundings) -> Transport:
    """Return the transport that `config` describes, for one mail.

    Raises UsageError for a provider that the configuration does not have.
    """
    from nexomailer_cli.transport.failover import FailoverTransport
    from nexomailer_cli.transport.provider import ProviderTransport

    providers = chosen(config, wishes, around.env)
    transport: Transport = FailoverTransport(
        tuple(
            ProviderTransport(_account(each, wishes, around), around.observer) for each in providers
        ),
        deadline=wishes.deadline,
    )
    return _patient(transport, wishes, around) if wishes.retry_for else transport


def open_pools(
    providers: tuple[Provider, ...], wishes: Wishes, around: Surroundings, desk: Desk
) -> tuple[Pool, ...]:
    """Return a pool for each of the chosen providers; to be called inside a running event loop."""
    from nexomailer_cli.pool.pool import Pool

    return tuple(
        Pool(
            _account(each, wishes, around, for_many=True),
            desk,
            _pool_limits(each.config),
            around.observer,
        )
        for each in providers
    )


def _pool_limits(config: SmtpConfig) -> PoolLimits:
    from nexomailer_cli.pool.desk import PoolLimits

    return PoolLimits(
        connections=config.max_connections if config.pool else 1,
        messages=config.max_messages if config.pool else 1,
        idle=config.idle_timeout,
        joined=config.joined,
    )


def chosen(config: Config, wishes: Wishes, env: Mapping[str, str]) -> tuple[Provider, ...]:
    """Return the providers to use, in the order in which they are tried.

    Raises UsageError for a provider that there is not, ConfigError where none is for the author.
    """
    if wishes.provider is not None:
        return (named(config, wishes.provider),)
    own, others = serving(config.providers, wishes.author)
    if not (own or others):
        raise ConfigError(
            Problem(f"no provider is for mail from {wishes.author}", "providers.from_addresses"),
            hint="Add the address to one of them, or name the provider with --provider.",
        )
    providers = _ordered(own or others, config, env)
    if own and others:
        providers += by_priority(others)
    return providers if wishes.failover else providers[:1]


def named(config: Config, name: str) -> Provider:
    """Return the provider of that name; raise UsageError if there is none."""
    found = next((each for each in config.providers if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in by_priority(config.providers))
        raise UsageError(f"there is no provider “{name}”", hint=f"Known: {names}.")
    return found


def _ordered(
    providers: tuple[Provider, ...], config: Config, env: Mapping[str, str]
) -> tuple[Provider, ...]:
    match config.failover.strategy:
        case "round-robin":
            from nexomailer_cli.turn import next_turn

            return round_robin(providers, next_turn(env))
        case "weighted":
            from random import SystemRandom

            return weighted(providers, SystemRandom())
        case "priority":
            return by_priority(providers)


def _patient(transport: Transport, wishes: Wishes, around: Surroundings) -> Transport:
    from random import SystemRandom

    from nexomailer_cli.transport.retry import Clock, RetryTransport

    # No wait is begun that the deadline would cut short.
    left = wishes.deadline - time.monotonic()
    return RetryTransport(
        transport,
        seconds=min(wishes.retry_for, left),
        random=SystemRandom(),
        observer=around.observer,
        clock=Clock(around.blocking),
    )


def terms_for(provider: Provider, wishes: Wishes, around: Surroundings) -> Terms:
    """Return the terms on which sending would meet a provider's server.

    Raises SecretError for credentials that cannot be had, ConfigError for files of TLS.
    """
    return _terms(provider, wishes, _wallet(provider, around))


def terms_without_secret(provider: Provider, wishes: Wishes, around: Surroundings) -> Terms:
    """Return the same with nobody to sign in, as strict about TLS as if there were."""
    nobody = structs.replace(provider, config=structs.replace(provider.config, auth=None))
    terms = _terms(nobody, wishes, _wallet(nobody, around))
    return structs.replace(terms, requires_tls=provider.config.tls_required)


def renewal_for(
    provider: Provider, around: Surroundings
) -> Callable[[str], Credentials | None] | None:
    """Return what gets other credentials than a token that was refused, `None` if nothing does.

    Calling it may raise SecretError.
    """
    wallet = _wallet(provider, around)
    if not wallet.is_renewable:
        return None
    return lambda rejected: wallet.credentials(seconds=float("inf"), rejected=rejected)


def _account(
    provider: Provider, wishes: Wishes, around: Surroundings, *, for_many: bool = False
) -> Account:
    """Return an account; `for_many` mails it asks for each connection for what may expire."""
    wallet = _wallet(provider, around)
    account = _account_of(provider, wishes, wallet)
    account = structs.replace(account, blocking=around.blocking)
    if wallet.changes if for_many else wallet.is_renewable:
        return account
    # A new connection must not ask a person, or a password manager, once more.
    return structs.replace(account, terms=functools.cache(account.terms), is_renewed=False)


def _account_of(provider: Provider, wishes: Wishes, wallet: Wallet) -> Account:
    from nexomailer_cli.rules import provider_rules
    from nexomailer_cli.transport.account import Account
    from nexomailer_cli.transport.limits import limits_for

    config = provider.config

    def terms(rejected: str = "") -> Terms:
        return _terms(provider, wishes, wallet, rejected)

    return Account(
        name=provider.name,
        host=config.socket or config.host,
        port=config.effective_port,
        terms=terms,
        limits=limits_for(
            config.connection_timeout, config.socket_timeout, deadline=wishes.deadline
        ),
        rules=provider_rules,
        rewrite=rewriting_for(provider, keeps_content=wishes.keeps_content),
        is_renewed=True,
        other_terms=terms if wallet.is_renewable else None,
    )


def rewriting_for(
    provider: Provider, *, keeps_content: bool = False
) -> Callable[[Mail], Mail] | None:
    """Return what a provider makes of a mail, `None` for nothing; raise ConfigError."""
    wants = {
        "sender": provider.from_,
        "reply_to": provider.reply_to,
        "envelope_from": provider.envelope_from,
        "headers": provider.headers,
        "deduplication_header": provider.deduplication_header,
    }
    if not any(wants.values()) and provider.envelope_from is None:
        return None  # and nothing of composing needs to be loaded
    from nexomailer_cli.message.rewriting import rewriting_of

    try:
        return rewriting_of(**wants, keeps_content=keeps_content)  # type: ignore[arg-type]
    except MessageError as error:
        problem = Problem(str(error), key=f"providers.{provider.name}")
        raise ConfigError(problem, hint=error.hint) from error


def _wallet(provider: Provider, around: Surroundings) -> Wallet:
    return Wallet(
        provider,
        env=around.env,
        prompt=around.prompt,
        warn=around.warn,
        blocking=around.blocking,
    )


def _terms(provider: Provider, wishes: Wishes, wallet: Wallet, rejected: str = "") -> Terms:
    from nexomailer_cli.transport.own_name import ehlo_name
    from nexomailer_cli.transport.terms import Terms
    from nexomailer_cli.transport.tls import tls_context

    config = provider.config
    left = wishes.deadline - time.monotonic()
    return Terms(
        host=config.host,
        port=config.effective_port,
        ip_version=config.ip_version,
        source_address=config.source_address,
        proxy=wallet.proxy(seconds=left),
        socket_path=config.socket or "",
        is_lmtp=config.protocol == "lmtp",
        implicit_tls=config.implicit_tls,
        requires_tls=config.tls_required,
        tls=tls_context(config.tls) if _may_use_tls(config) else None,
        servername=config.tls.servername or "",
        ehlo_name=ehlo_name(config.name, wishes.sender, socket.gethostname()),
        credentials=wallet.credentials(seconds=left, rejected=rejected),
        allow_plaintext_auth=config.allow_plaintext_auth,
    )


def _may_use_tls(config: SmtpConfig) -> bool:
    if config.socket is not None and config.starttls == "auto":
        return config.implicit_tls  # nobody listens in between, and it has no name to verify
    return config.implicit_tls or config.starttls != "never"
