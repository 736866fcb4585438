"""From a configuration to a transport that sends."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from msgspec import structs

from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import Config, Failover, Provider, SmtpConfig, Tls
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.core import Surroundings, Wishes, chosen, open_transport
from nexomailer_cli.errors import UsageError
from nexomailer_cli.smtp.failure import Scope
from nexomailer_cli.smtp.outcome import Status
from nexomailer_cli.transport.base import Event, Said
from nexomailer_cli.transport.failover import FailoverTransport
from nexomailer_cli.transport.own_name import ehlo_name
from nexomailer_cli.transport.retry import RetryTransport
from tests.support.account import mail
from tests.support.aside import Aside
from tests.support.script import (
    GOODBYE,
    Close,
    Expect,
    Hang,
    Reply,
    Script,
    greeting,
    scripted,
    transaction,
)

NOTHING = Surroundings(env={})
TAKES: Script = (*greeting("PIPELINING"), *transaction(), *GOODBYE)


def provider(
    name: str,
    *,
    priority: int = 1,
    weight: int = 1,
    port: int | None = None,
    auth: Auth | None = None,
    tls: Tls | None = None,
    ehlo: str | None = "me.test",
) -> Provider:
    config = SmtpConfig(
        host="127.0.0.1", port=port, name=ehlo, auth=auth, tls=tls or Tls(), starttls="auto"
    )
    return Provider(name=name, priority=priority, weight=weight, config=config)


def three(strategy: str) -> Config:
    return Config(
        failover=Failover(strategy=strategy),  # type: ignore[arg-type]
        providers=(
            provider("spare", priority=2),
            provider("a", weight=3),
            provider("b", weight=1),
        ),
    )


def names(config: Config, wishes: Wishes, env: dict[str, str] | None = None) -> list[str]:
    return [each.name for each in chosen(config, wishes, env or {})]


# --- which providers ----------------------------------------------------------------------


def test_priority_decides_by_default() -> None:
    assert names(three("priority"), Wishes()) == ["a", "b", "spare"]


def test_turns_are_remembered_from_run_to_run(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path)}
    firsts = [names(three("round-robin"), Wishes(), env)[0] for _ in range(4)]
    assert firsts == ["a", "b", "a", "b"]


def test_weights_are_drawn_and_a_spare_stays_behind() -> None:
    orders = [names(three("weighted"), Wishes()) for _ in range(300)]
    firsts = Counter(order[0] for order in orders)
    assert firsts["a"] > firsts["b"] > 0
    assert {order[2] for order in orders} == {"spare"}


def test_chance_does_not_depend_on_the_seed_of_the_program() -> None:
    orders = set()
    for _ in range(40):
        random.seed(1)
        orders.add(tuple(names(three("weighted"), Wishes())))
    assert len(orders) == 2


def test_who_is_for_the_author_goes_first_and_by_the_strategy(tmp_path: Path) -> None:
    from msgspec import structs

    config = three("round-robin")
    ours = tuple(
        structs.replace(each, from_addresses=("*@a.test",) if each.name in "ab" else ())
        for each in config.providers
    )
    config = structs.replace(config, providers=ours)
    env = {"XDG_STATE_HOME": str(tmp_path)}
    orders = ["".join(names(config, Wishes(author="x@a.test"), env)) for _ in range(2)]
    assert orders == ["abspare", "baspare"]
    assert names(config, Wishes(author="x@b.test"), env) == ["spare"]
    assert names(config, Wishes(author="x@b.test", failover=False), env) == ["spare"]


def test_one_provider_may_be_asked_for() -> None:
    assert names(three("priority"), Wishes(provider="spare")) == ["spare"]


def test_without_failover_only_the_first_is_used() -> None:
    assert names(three("priority"), Wishes(failover=False)) == ["a"]


def test_a_provider_that_is_not_there_is_a_mistake_with_the_known_names() -> None:
    with pytest.raises(UsageError) as caught:
        names(three("priority"), Wishes(provider="c"))
    assert "“c”" in str(caught.value)
    assert caught.value.hint == "Known: a, b, spare."


async def test_patience_is_only_built_in_where_it_is_wanted() -> None:
    config = three("priority")
    plain = open_transport(config, Wishes(), NOTHING)
    patient = open_transport(config, Wishes(retry_for=5.0), NOTHING)
    assert isinstance(plain, FailoverTransport)
    assert isinstance(patient, RetryTransport)
    assert plain.name == patient.name == "a, b, spare"
    plain.close()
    patient.close()


# --- sending --------------------------------------------------------------------------------


def password(value: str) -> Auth:
    return Auth(user="tim", password=Secret("env", (value,)))


async def sent(config: Config, wishes: Wishes, around: Surroundings) -> Status:
    transport = Aside(open_transport(config, wishes, around))
    outcome = await transport.send(mail())
    await transport.close()
    return outcome.status


async def test_a_mail_comes_from_the_address_that_the_configuration_names() -> None:
    async with scripted(TAKES) as peer:
        config = SmtpConfig(
            host="127.0.0.1", port=peer.port, name="me.test", source_address="203.0.113.9"
        )
        elsewhere = Config(providers=(Provider(name="main", config=config),))
        assert await sent(elsewhere, Wishes(), NOTHING) is Status.FAILED
        ours = structs.replace(config, source_address="127.0.0.2", ip_version=4)
        here = Config(providers=(Provider(name="main", config=ours),))
        assert await sent(here, Wishes(), NOTHING) is Status.ACCEPTED


async def test_a_mail_goes_out_with_the_password_of_the_environment() -> None:
    events: list[Event] = []
    script = (
        *greeting("AUTH PLAIN", "PIPELINING"),
        *(Expect("AUTH PLAIN AHRpbQB0YW5zdGFhZg=="), Reply("235 in")),
        *transaction(),
        *GOODBYE,
    )
    async with scripted(script) as peer:
        config = Config(providers=(provider("p", port=peer.port, auth=password("PASS")),))
        around = Surroundings(env={"PASS": "tanstaaf"}, observer=events.append)
        assert await sent(config, Wishes(sender="s@a.test"), around) is Status.ACCEPTED
    assert peer.heard[0] == "EHLO me.test"
    said = [event.text for event in events if isinstance(event, Said)]
    assert "AUTH PLAIN ***" in said
    assert not any("AHRpbQB0" in line for line in said)


async def test_a_token_is_used_the_oauth_way() -> None:
    script = (*greeting("AUTH PLAIN XOAUTH2"), Expect("AUTH XOAUTH2 "), Reply("235 in"), Close())
    auth = Auth(type="oauth2", user="tim", access_token=Secret("text", ("ya29",)))
    async with scripted(script) as peer:
        config = Config(providers=(provider("p", port=peer.port, auth=auth),))
        assert await sent(config, Wishes(), NOTHING) is Status.FAILED
    assert peer.heard[1].startswith("AUTH XOAUTH2 ")


async def test_a_method_of_the_configuration_is_kept_to() -> None:
    script = (*greeting("AUTH PLAIN LOGIN"), Expect("AUTH LOGIN"), Reply("535 no"), Hang())
    auth = Auth(user="tim", password=Secret("text", ("x",)), method="login")
    async with scripted(script) as peer:
        config = Config(providers=(provider("p", port=peer.port, auth=auth),))
        assert await sent(config, Wishes(), NOTHING) is Status.FAILED
    assert peer.verbs == ["EHLO", "AUTH"]


async def test_a_user_without_a_password_signs_in_with_none() -> None:
    script = (*greeting("AUTH PLAIN"), Expect("AUTH PLAIN AHRpbQA="), Reply("535 no"), Hang())
    async with scripted(script) as peer:
        config = Config(providers=(provider("p", port=peer.port, auth=Auth(user="tim")),))
        assert await sent(config, Wishes(), NOTHING) is Status.FAILED
    assert peer.verbs == ["EHLO", "AUTH"]


def broken_ones(tmp_path: Path) -> list[Provider]:
    return [
        provider("no secret", auth=password("NOT_SET")),
        provider("no prompt", auth=Auth(user="tim", password=Secret("prompt"))),
        provider("no authorities", tls=Tls(ca_file=str(tmp_path / "lost.pem"))),
        provider("no certificate", tls=Tls(cert_file=str(tmp_path / "lost.pem"))),
    ]


@pytest.mark.parametrize("index", range(4))
async def test_a_mistake_in_provider_1_does_not_keep_the_mail_from_provider_2(
    index: int, tmp_path: Path
) -> None:
    async with scripted(TAKES) as peer:
        spare = provider("spare", priority=2, port=peer.port)
        config = Config(providers=(broken_ones(tmp_path)[index], spare))
        transport = Aside(open_transport(config, Wishes(), NOTHING))
        outcome = await transport.send(mail())
        await transport.close()
    assert outcome.status is Status.ACCEPTED
    assert outcome.attempts[0].reason == "configuration"


async def test_a_person_is_asked_once_however_often_the_session_is_spoilt() -> None:
    asked: list[str] = []

    def prompt(question: str) -> str:
        asked.append(question)
        return "tanstaaf"

    opening: Script = (*greeting("AUTH PLAIN"), Expect("AUTH"), Reply("235 in"))
    auth = Auth(user="tim", password=Secret("prompt"))
    async with scripted(
        (*opening, Expect("MAIL"), Reply("421 bye")), (*opening, *transaction())
    ) as peer:
        config = Config(providers=(provider("p", port=peer.port, auth=auth),))
        around = Surroundings(env={}, prompt=prompt)
        assert await sent(config, Wishes(), around) is Status.ACCEPTED
    assert peer.connections == 2
    assert asked == ["password of provider p: "]


async def test_nothing_is_asked_or_read_before_a_provider_is_used(tmp_path: Path) -> None:
    config = Config(providers=tuple(broken_ones(tmp_path)))
    open_transport(config, Wishes(), NOTHING).close()


async def test_the_words_of_providers_count() -> None:
    script = (
        *greeting(),
        *(Expect("MAIL"), Reply("454 Throttling failure: Maximum sending rate exceeded.")),
        *GOODBYE,
    )
    async with scripted(script) as peer:
        config = Config(providers=(provider("p", port=peer.port),))
        transport = Aside(open_transport(config, Wishes(), NOTHING))
        outcome = await transport.send(mail())
        await transport.close()
    [disposition] = outcome.dispositions
    assert disposition.failure is not None
    assert disposition.failure.scope is Scope.RATE


async def test_tls_may_be_ruled_out() -> None:
    async with scripted((*greeting("STARTTLS"), *transaction(), *GOODBYE)) as peer:
        config = SmtpConfig(host="127.0.0.1", port=peer.port, starttls="never", name="me.test")
        entry = Config(providers=(Provider(name="p", config=config),))
        assert await sent(entry, Wishes(), NOTHING) is Status.ACCEPTED
    assert "STARTTLS" not in peer.verbs


async def test_time_outs_are_those_of_the_configuration() -> None:
    async with scripted((Hang(),)) as peer:
        config = SmtpConfig(host="127.0.0.1", port=peer.port, connection_timeout=0.1)
        entry = Config(providers=(Provider(name="p", config=config),))
        async with asyncio.timeout(2.0):
            assert await sent(entry, Wishes(), NOTHING) is Status.FAILED


def greylisting(answer: str) -> Script:
    rcpt: Script = (Expect("RCPT"), Reply(answer))
    return (*greeting(), Expect("MAIL"), Reply("250 ok"), *rcpt, *GOODBYE)


async def test_patience_ends_with_the_window() -> None:
    async with scripted(greylisting("450 4.2.0 Greylisted")) as peer:
        config = Config(providers=(provider("p", port=peer.port),))
        async with asyncio.timeout(2.0):
            assert await sent(config, Wishes(retry_for=60.0), NOTHING) is Status.DEFERRED
    assert peer.connections == 1


async def test_patience_ends_with_the_deadline() -> None:
    deadline = asyncio.get_running_loop().time() + 1.0
    async with scripted(greylisting("450 4.2.0 Greylisted")) as peer:
        config = Config(providers=(provider("p", port=peer.port),))
        wishes = Wishes(retry_for=3600.0, deadline=deadline)
        async with asyncio.timeout(2.0):
            assert await sent(config, wishes, NOTHING) is Status.DEFERRED


# --- the EHLO name ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "sender", "host", "name"),
    [
        ("mx.own.test", "s@a.test", "box.b.test", "mx.own.test"),
        (None, "s@a.test", "box.b.test", "box.b.test"),
        ("", "s@a.test", "box.b.test", "box.b.test"),
        (None, "s@a.test", "box", "a.test"),
        (None, "s@a.test", "localhost", "a.test"),
        (None, "s@a.test", "LOCALHOST.localdomain", "a.test"),
        (None, "s@a.test", "box.localdomain", "a.test"),
        (None, "s@a.test", "localhost.b.test", "a.test"),
        (None, "s@a.test", "", "a.test"),
        (None, "", "localhost", ""),
        (None, "", "box", ""),
        (None, "s@localhost", "localhost", ""),
        (None, "s@[192.0.2.1]", "localhost", ""),
        (None, "s@[IPv6:2001:db8::1]", "localhost", ""),
        (None, "s@bücher.test", "localhost", ""),
        (None, '"a@b.c"@a.test', "localhost", "a.test"),
    ],
)
def test_the_name_for_ehlo(configured: str | None, sender: str, host: str, name: str) -> None:
    assert ehlo_name(configured, sender, host) == name


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("box.localhost", "a.test"),  # RFC 6761 section 6.3
        ("box.", "a.test"),
        ("box.b.test.", "box.b.test"),
        ("my box.b.test", "a.test"),
        ("büro.b.test", "a.test"),
        (".b.test", "a.test"),
        ("10.0.0.5", "a.test"),
    ],
)
def test_a_host_name_that_servers_refuse_gives_way_to_the_sender_s(host: str, name: str) -> None:
    assert ehlo_name(None, "s@a.test", host) == name
