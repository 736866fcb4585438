"""What is typed as a target, and what comes of it."""

from __future__ import annotations

import socket
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import Config, Provider, SmtpConfig, Tls
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.errors import ConfigError, NexomailerError, TransportError, UsageError
from nexomailer_cli.printable import printable
from nexomailer_cli.probe import chosen
from nexomailer_cli.probe.report import Origins
from nexomailer_cli.probe.target import Asked, Subject, subjects
from nexomailer_cli.probe.typed import Typed, read_target
from tests.support.dns_server import name_server

PASSWORD = Secret("env", ("SMTP_PASS",))
ARGUMENT, BY_PORT = "argument", "inferred:port"


@pytest.fixture(autouse=True)
def _no_race(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "faster_port", lambda *_, **__: 587)


def config(*providers: Provider, path: str | None = "nexomailer.toml") -> Config:
    return Config(providers=providers, path=path)


def provider(label: str, host: str = "smtp.example.com", /, **values: Any) -> Provider:
    place = {key: values.pop(key) for key in ("priority", "preset") if key in values}
    return Provider(name=label, config=SmtpConfig(host=host, **values), **place)


def subject(target: str | None, known: Config | None = None, **asked: Any) -> Subject:
    (only,) = subjects(Asked(target=target, **asked), known)
    return only


def refusal(target: str | None, known: Config | None = None, **asked: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        subjects(Asked(target=target, **asked), known)
    return caught.value


# --- a host and a port --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("smtp.example.com:587", "smtp.example.com", 587),
        ("smtp.example.com.:587", "smtp.example.com.", 587),
        ("smtp.example.com:1", "smtp.example.com", 1),
        ("smtp.example.com:65535", "smtp.example.com", 65535),
        ("smtp.example.com:smtp", "smtp.example.com", 25),
        ("smtp.example.com:SMTPS", "smtp.example.com", 465),
        ("smtp.example.com:submission", "smtp.example.com", 587),
        ("smtp.example.com:submissions", "smtp.example.com", 465),
        ("my_mail:1025", "my_mail", 1025),
        ("mail", "mail", None),
        ("127.0.0.1:25", "127.0.0.1", 25),
        ("192.0.2.1", "192.0.2.1", None),
        ("::1", "::1", None),
        ("2001:db8::25", "2001:db8::25", None),
        ("fe80::1%eth0", "fe80::1%eth0", None),
        ("[::1]", "::1", None),
        ("[::1]:25", "::1", 25),
        ("[fe80::1:25]", "fe80::1:25", None),
        ("[2001:db8::1]:submission", "2001:db8::1", 587),
        ("bücher.example:587", "xn--bcher-kva.example", 587),
        ("BÜCHER.example", "xn--bcher-kva.example", None),
        ("a" * 63 + ".example", "a" * 63 + ".example", None),
    ],
)
def test_host_and_port_are_told_apart(text: str, host: str, port: int | None) -> None:
    typed = read_target(text)
    assert (typed.ascii_host, typed.port, typed.address) == (host, port, "")


def test_a_mail_address_keeps_its_user() -> None:
    assert read_target("Me+x@Bücher.example") == Typed(
        host="Bücher.example", ascii_host="xn--bcher-kva.example", address="Me+x@Bücher.example"
    )


@pytest.mark.parametrize(
    ("text", "marks", "words"),
    [
        ("smtp.example.com:70000", "                 ^^^^^", "no port"),
        ("smtp.example.com:0", "                 ^", "no port"),
        ("smtp.example.com:", "                 ^", "no port"),
        ("smtp.example.com:imap", "                 ^^^^", "no port"),
        ("smtp.example.com:５８７", "                 ^^^^^^", "no port"),
        ("smtp.example.com:587 ", "                 ^^^^", "no port"),
        ("smtp.example.com:" + "9" * 30, "                 " + "^" * 30, "no port"),
        ("smtp example.com", "    ^", "does not belong"),
        (" smtp.example.com", "^", "does not belong"),
        ("smtp.example.com/", "                ^", "does not belong"),
        ("smtp.example.com#x", "                ^", "does not belong"),
        ("smtp.example.com?x=1", "                ^", "does not belong"),
        ("*.example.com", "^", "does not belong"),
        ("a\x1b[2Jb", " ^^^^", "does not belong"),
        ("a..b", "  ^", "a dot too many"),
        (".example.com", "^", "a dot too many"),
        ("x." + "a" * 64, "  " + "^" * 64, "longer than 63"),
        ("bü_cher.example", "^^^^^^^^^^^^^^^", "IDNA"),
        ("127.1", "^^^^^", "four numbers"),
        ("1", "^", "four numbers"),
        ("0x7f000001:25", "^^^^^^^^^^", "four numbers"),
        ("010.0.0.1", "^^^^^^^^^", "four numbers"),
        ("１２７．1:25", "^^^^^^^^^", "four numbers"),
        ("300.1.1.1", "^^^^^^^^^", "neither a name nor"),
        ("mail.123", "^^^^^^^^", "neither a name nor"),
        ("", None, "a host is missing"),
        (":25", "^", "a host is missing"),
        ("[::1", "^^^^", "never closed"),
        ("[::1]25", "     ^^", "only a port may follow"),
        ("[::1]:", "      ^", "no port"),
        ("[192.0.2.1]:25", "^^^^^^^^^^^", "for an IPv6 address"),
        ("[fe80::1%\x1b]", "^^^^^^^^^^^^^^", "for an IPv6 address"),
        ("2001:db8:1:2:3:4:5:6:587", "^^^^^^^^^^^^^^^^^^^^", "needs brackets"),
        ("2001:db8::1:587", "            ^^^", "may be a port or not"),
        ("smtp:example:25", "^^^^^^^^^^^^^^^", "neither host:port nor"),
        ("@example.com", "^", "no address"),
        ("m e@example.com", "^^^^", "no address"),
        ("me@", "   ^", "a host is missing"),
        ("me@a..b", "     ^", "a dot too many"),
        ("me@example.com:587", "              ^^^^", "has no port"),
        ("https://smtp.example.com", "^^^^^^^^", "how a mail server's URL begins"),
        ("smtp://smtp.example.com:70000", "                        ^^^^^", "no port"),
        ("smtp://[::1]:0/", "             ^", "no port"),
    ],
)
def test_what_is_wrong_is_shown_where_it_stands(text: str, marks: str | None, words: str) -> None:
    message, *shown = str(refusal(text)).split("\n")
    assert message.startswith("TARGET: ")
    assert words in message
    assert shown[1:] == ([f"  {marks}"] if marks is not None else [])
    assert "\x1b" not in str(refusal(text))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2001:db8:1:2:3:4:5:6:587", "Write [2001:db8:1:2:3:4:5:6]:587."),
        ("2001:db8::1:587", "Write [2001:db8::1]:587 for the port, or [2001:db8::1:587] if"),
        ("127.1", "If 127.0.0.1 is meant"),
        ("smtp.example.com:imap", "submission"),
    ],
)
def test_the_hint_says_how_to_write_it(text: str, hint: str) -> None:
    assert hint in refusal(text).hint


def test_a_text_without_end_is_not_repeated() -> None:
    assert len(str(refusal("a/" * 5000))) < 100


@given(st.text())
def test_any_text_is_a_target_or_a_usage_error(text: str) -> None:
    try:
        typed = read_target(text)
    except UsageError as error:
        assert all(printable(line) == line for line in str(error).split("\n"))
    else:
        assert typed.ascii_host.isascii()
        assert typed.ascii_host.isprintable()


# --- which server is meant ----------------------------------------------------------------


def test_a_server_that_is_named_is_examined_as_it_would_be_used() -> None:
    found = subject("smtp.example.com:465")
    assert found.provider == Provider(
        name="smtp.example.com", config=SmtpConfig(host="smtp.example.com", port=465)
    )
    target = found.target
    assert (target.input, target.host) == ("smtp.example.com:465", "smtp.example.com")
    assert (target.port, target.security, target.via) == (465, "implicit", "direct")
    assert target.source == Origins(host=ARGUMENT, port=ARGUMENT, security=BY_PORT)
    assert target.provider is None


@pytest.mark.parametrize(
    ("port", "security"),
    [
        (465, "implicit"),
        (2465, "implicit"),
        (587, "starttls"),
        (2587, "starttls"),
        (25, "starttls"),
        (2525, "starttls"),
        (1025, "starttls"),
    ],
)
def test_the_port_decides_about_the_mode(port: int, security: str) -> None:
    assert subject(f"smtp.example.com:{port}").target.security == security


def test_starttls_is_required_as_soon_as_there_is_a_password() -> None:
    assert not subject("smtp.example.com:587").provider.config.tls_required
    signing_in = subject("smtp.example.com:587", user="me", secret=PASSWORD)
    assert signing_in.provider.config.tls_required
    assert not subject("localhost:1025", user="me", secret=PASSWORD).provider.config.tls_required


def test_a_name_in_another_script_is_connected_to_by_its_ascii_form() -> None:
    found = subject("bücher.example:587")
    assert (found.target.host, found.target.ascii_host) == (
        "bücher.example",
        "xn--bcher-kva.example",
    )
    assert found.provider.config.host == "xn--bcher-kva.example"


def test_a_port_that_nobody_named_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def race(host: str, *, family: int) -> int:
        asked.append((host, family))
        return 465

    monkeypatch.setattr(chosen, "faster_port", race)
    target = subject("smtp.example.com", ip_version=4).target
    assert (target.port, target.security) == (465, "implicit")
    assert target.source == Origins(host=ARGUMENT, port="race", security=BY_PORT)
    assert asked == [("smtp.example.com", socket.AF_INET)]


@pytest.mark.parametrize(
    ("text", "host", "port", "source"),
    [
        ("gmail", "smtp.gmail.com", 465, ("preset:gmail",) * 3),
        ("GMail", "smtp.gmail.com", 465, ("preset:gmail",) * 3),
        ("163", "smtp.163.com", 465, ("preset:163",) * 3),
        ("smtp.gmail.com", "smtp.gmail.com", 465, (ARGUMENT, "preset:gmail", "preset:gmail")),
        ("smtp.gmail.com:587", "smtp.gmail.com", 587, (ARGUMENT, ARGUMENT, BY_PORT)),
        ("gmail.com", "smtp.gmail.com", 465, ("preset:gmail",) * 3),
        ("gmail.com:25", "gmail.com", 25, (ARGUMENT, ARGUMENT, BY_PORT)),
        ("me@hotmail.de", "smtp-mail.outlook.com", 587, ("preset:outlook",) * 3),
        ("localhost", "localhost", 587, (ARGUMENT, "race", BY_PORT)),
    ],
)
def test_known_services_are_recognized(
    text: str, host: str, port: int, source: tuple[str, str, str]
) -> None:
    target = subject(text).target
    assert (target.host, target.port) == (host, port)
    assert (target.source.host, target.source.port, target.source.security) == source


def test_an_address_is_examined_where_dns_says_and_signs_in_with_its_name() -> None:
    asked = Asked(target="me@example.com", secret=PASSWORD, secret_source="env:SMTP_PASS")
    zone = {"_submissions._tcp.example.com SRV": ("0 1 465 mail.example.com.",)}
    with name_server(zone) as resolver:
        (found,) = subjects(asked, None, resolver=resolver)
    assert found.provider.config.auth == Auth(user="me@example.com", password=PASSWORD)
    assert (found.target.host, found.target.security) == ("mail.example.com", "implicit")
    assert found.target.source == Origins(
        host="srv", port="srv", security="srv", user=ARGUMENT, secret="env:SMTP_PASS"
    )


def test_a_password_is_not_given_to_whom_only_dns_names() -> None:
    zone = {"_submissions._tcp.example.com SRV": ("0 1 465 mail.evil.test.",)}
    with name_server(zone) as resolver:
        (found,) = subjects(Asked(target="me@example.com"), None, resolver=resolver)
        assert found.target.host == "mail.evil.test"
        with pytest.raises(UsageError, match="no password is sent") as caught:
            subjects(Asked(target="me@example.com", secret=PASSWORD), None, resolver=resolver)
        with pytest.raises(UsageError):
            subjects(Asked(target="me@example.com", user="me"), None, resolver=resolver)
    assert "mail.evil.test:465" in caught.value.hint


def test_a_password_that_belongs_to_nobody_is_refused() -> None:
    assert "--user" in refusal("smtp.example.com:587", secret=PASSWORD).hint


# --- URLs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "port", "security", "sources"),
    [
        ("smtp://h.test", 587, "starttls", ("default", BY_PORT)),
        ("smtp://h.test:465", 465, "implicit", ("url", BY_PORT)),
        ("smtps://h.test", 465, "implicit", ("inferred:scheme", "url")),
        ("smtps://h.test:4650", 4650, "implicit", ("url", "url")),
        ("submission://h.test", 587, "starttls", ("default", "url")),
        ("submissions://h.test", 465, "implicit", ("inferred:scheme", "url")),
        ("smtp://h.test:1025?starttls=never", 1025, "none", ("url", "url")),
        ("smtp://[::1]:25", 25, "starttls", ("url", BY_PORT)),
    ],
)
def test_a_url_says_port_and_mode(
    url: str, port: int, security: str, sources: tuple[str, str]
) -> None:
    target = subject(url).target
    assert (target.port, target.security) == (port, security)
    assert (target.source.port, target.source.security) == sources
    assert target.source.host == "url"


def test_a_password_in_a_url_is_used_and_remarked_and_never_shown() -> None:
    found = subject("smtps://me%40x:hunter2%21@h.test?name=me.test")
    assert found.reasons == ("password-in-url",)
    assert found.provider.config.auth == Auth(user="me@x", password=Secret("text", ("hunter2!",)))
    assert found.provider.config.name == "me.test"
    assert found.target.input == "smtps://me%40x:***@h.test?name=me.test"
    assert (found.target.source.user, found.target.source.secret) == ("url", "url")
    assert "hunter2" not in repr(found)


def test_a_user_in_a_url_is_asked_for_the_password_unless_it_is_elsewhere() -> None:
    asking = subject("smtps://me@h.test")
    assert asking.provider.config.auth == Auth(user="me", password=Secret("prompt"))
    assert (asking.reasons, asking.target.source.secret) == ((), "prompt")
    told = subject("smtps://me@h.test", secret=PASSWORD, secret_source="env:SMTP_PASS")
    assert told.provider.config.auth == Auth(user="me", password=PASSWORD)
    assert (told.target.source.user, told.target.source.secret) == ("url", "env:SMTP_PASS")


@pytest.mark.parametrize(
    "text",
    [
        "smtps://me:p/hunter2@h.test",
        "smtps://me:12/hunter2@h.test",
        "smtps://me:p#hunter2@h.test",
        "smtps://me:p?hunter2@h.test",
        "smtps://me:hunter2@",
        "smtps://me:hunter2@a..b",
        "smtps://me:hunter2@h.test:70000",
        "smtps://me:hunter2@h.test:587",
        "smtps://me:hunter2@127.1",
        "imap://me:hunter2@h.test",
        "smtps://me:hunter2@h.test/x",
        "smtps://me:hunter2@h.test?x=y",
        "smtps://me:hunter2\x1b@h.test",
        "me:hunter2@h.test",
        "me:hunter2@h.test:587",
        "smtps:me:hunter2@h.test",
        "//me:hunter2@h.test",
    ],
)
def test_no_refusal_quotes_a_password(text: str) -> None:
    error = refusal(text)
    assert "hunter2" not in f"{error} {error.hint} {error.__cause__}"


# --- the configuration --------------------------------------------------------------------


def test_without_a_target_every_provider_is_examined_by_priority() -> None:
    known = config(provider("spare", priority=2), provider("a"), provider("b"))
    found = subjects(Asked(), known)
    assert [each.target.provider for each in found] == ["a", "b", "spare"]
    assert [each.target.input for each in found] == ["a", "b", "spare"]


def test_without_a_target_and_a_configuration_there_is_nothing_to_examine() -> None:
    with pytest.raises(ConfigError, match="there is no configuration"):
        subjects(Asked(), None)


def test_a_provider_wins_over_a_host_and_a_preset_of_the_same_name() -> None:
    known = config(
        provider("gmail", port=2525), provider("smtp.example.com", "other.test", port=2525)
    )
    for name, host in (("gmail", "smtp.example.com"), ("smtp.example.com", "other.test")):
        target = subject(name, known).target
        assert (target.provider, target.host, target.port) == (name, host, 2525)


def test_everything_a_provider_says_is_kept() -> None:
    main = provider(
        "main",
        port=2465,
        secure=True,
        name="me.test",
        source_address="192.0.2.7",
        ip_version=4,
        auth=Auth(user="me", password=PASSWORD),
        tls=Tls(servername="x.test"),
    )
    found = subject("main", config(main))
    assert found.provider == main
    assert found.target.source == Origins(
        host="config", port="config", security="config", user="config", secret="env:SMTP_PASS"
    )


@pytest.mark.parametrize(
    ("secret", "origin"),
    [
        (Secret("text", ("hunter2",)), "config"),
        (Secret("text", ("${SMTP_PASS}",)), "env:SMTP_PASS"),
        (Secret("text", ("a${SMTP_PASS}",)), "config"),
        (Secret("env", ("SMTP_PASS",)), "env:SMTP_PASS"),
        (Secret("file", ("/run/secrets/x",)), "file"),
        (Secret("command", ("pass", "show")), "command"),
        (Secret("prompt"), "prompt"),
    ],
)
def test_where_a_password_is_kept_is_told_and_not_what_it_is(secret: Secret, origin: str) -> None:
    found = subject("main", config(provider("main", auth=Auth(user="me", password=secret))))
    assert found.target.source.secret == origin


def test_a_token_is_told_of_like_a_password() -> None:
    auth = Auth(type="oauth2", user="me", access_token=Secret("env", ("TOKEN",)))
    assert subject("main", config(provider("main", auth=auth))).target.source.secret == "env:TOKEN"


def test_what_a_preset_has_filled_in_is_told_apart_from_what_was_written() -> None:
    known = config(
        provider(
            "main",
            "smtp.sendgrid.net",
            preset="sendgrid",
            port=587,
            secure=False,
            auth=Auth(user="apikey", password=PASSWORD),
        ),
        provider("other", "smtp.sendgrid.net", preset="sendgrid", port=2525),
    )
    first, second = subjects(Asked(), known)
    name = "preset:sendgrid"
    assert first.target.source == Origins(
        host=name, port=name, security=name, user=name, secret="env:SMTP_PASS"
    )
    assert (second.target.source.port, second.target.source.security) == ("config", BY_PORT)


def test_a_configuration_in_the_environment_says_so() -> None:
    env = {"NEXOMAILER_URL": "smtps://me:hunter2@smtp.example.com"}
    found = subject("smtp.example.com", load_config(None, env))
    assert found.target.source.host == found.target.source.secret == "env:NEXOMAILER_URL"
    assert found.reasons == ()


def test_a_configured_name_in_another_script_is_left_as_sending_takes_it() -> None:
    known = config(provider("a", "bücher.example"), provider("b", "a\u2024b.test"))
    first, second = subjects(Asked(), known)
    assert first.target.ascii_host == "xn--bcher-kva.example"
    assert first.provider.config.host == "bücher.example"
    assert second.target.host == "a\u2024b.test"


# --- the options --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("security", "secure", "starttls", "shown"),
    [
        ("implicit", True, "auto", "implicit"),
        ("starttls", False, "required", "starttls"),
        ("none", False, "never", "none"),
    ],
)
def test_the_mode_may_be_chosen_even_against_the_port(
    security: Any, secure: bool, starttls: str, shown: str
) -> None:
    for port in (465, 587):
        found = subject(f"smtp.example.com:{port}", security=security)
        smtp = found.provider.config
        assert (smtp.port, smtp.secure, smtp.starttls) == (port, secure, starttls)
        assert (found.target.security, found.target.source.security) == (shown, ARGUMENT)


@pytest.mark.parametrize(
    "text", ["smtp.example.com", "gmail", "smtp.gmail.com", "me@gmail.com", "smtp://h.test"]
)
@pytest.mark.parametrize(("security", "port"), [("implicit", 465), ("starttls", 587)])
def test_a_port_that_nobody_chose_follows_the_mode(text: str, security: Any, port: int) -> None:
    target = subject(text, security=security).target
    assert (target.port, target.security) == (port, security)


def test_what_the_options_say_wins_over_the_provider() -> None:
    auth = Auth(user="me", password=Secret("text", ("x",)), method="plain")
    known = config(provider("main", port=587, auth=auth))
    found = subject(
        "main",
        known,
        user="you",
        secret=PASSWORD,
        secret_source="stdin",
        helo_name="me.test",
        ca_file="/ca.pem",
        ip_version=6,
    )
    smtp = found.provider.config
    assert smtp.auth == Auth(user="you", password=PASSWORD)
    assert (smtp.name, smtp.ip_version, smtp.tls) == ("me.test", 6, Tls(ca_file="/ca.pem"))
    assert (found.target.source.user, found.target.source.secret) == (ARGUMENT, "stdin")
    assert found.target.provider == "main"


def test_another_password_is_for_the_provider_s_own_user() -> None:
    known = config(provider("main", auth=Auth(user="me", password=Secret("text", ("x",)))))
    found = subject("main", known, secret=PASSWORD, secret_source="file")
    assert found.provider.config.auth == Auth(user="me", password=PASSWORD)
    assert (found.target.source.user, found.target.source.secret) == ("config", "file")


def test_one_password_is_not_tried_on_several_servers() -> None:
    known = config(provider("a"), provider("b"))
    assert "one server" in str(refusal(None, known, user="me", secret=PASSWORD))


def test_without_verification_nobody_signs_in() -> None:
    known = config(provider("main", auth=Auth(user="me", password=PASSWORD)))
    found = subject("main", known, insecure=True)
    assert found.provider.config.auth is None
    assert not found.provider.config.tls.reject_unauthorized
    assert (found.target.source.user, found.target.source.secret) == (None, None)


@pytest.mark.parametrize(
    ("target", "version", "named"), [("[::1]:25", 4, "::1"), ("127.0.0.1:25", 6, "127.0.0.1")]
)
def test_a_version_of_ip_and_an_address_of_the_other_contradict_each_other(
    target: str, version: Any, named: str
) -> None:
    assert f"-{version} does not go with {named}" in str(refusal(target, ip_version=version))


def test_so_do_a_version_of_ip_and_the_address_to_connect_from() -> None:
    known = config(provider("main", source_address="192.0.2.7"))
    assert "192.0.2.7" in str(refusal("main", known, ip_version=6))
    assert subject("main", known, ip_version=4).provider.config.ip_version == 4


# --- mail exchangers ----------------------------------------------------------------------


def exchangers_of(target: str, zone: dict[str, Any], **asked: Any) -> tuple[Subject, ...]:
    with name_server(zone) as resolver:
        return subjects(Asked(target=target, mx=True, **asked), None, resolver=resolver)


@pytest.mark.parametrize("target", ["example.com", "example.com.", "me@example.com"])
def test_every_exchanger_of_a_domain_is_examined_as_mail_servers_meet_it(target: str) -> None:
    zone = {"example.com MX": ("20 b.example.net.", "10 a.example.net.")}
    found = exchangers_of(target, zone)
    assert [each.target.host for each in found] == ["a.example.net", "b.example.net"]
    for each in found:
        assert (each.target.port, each.target.security, each.target.via) == (25, "starttls", "mx")
        assert each.target.source == Origins(host="mx", port="mx", security=BY_PORT)
        assert each.provider.config == SmtpConfig(host=each.target.host, port=25)
        assert not each.provider.config.tls_required


def test_a_domain_without_exchangers_is_examined_itself() -> None:
    (found,) = exchangers_of("example.com", {"example.com A": ("192.0.2.1",)})
    assert (found.target.host, found.target.source.host) == ("example.com", "inferred:domain")


def test_exchangers_may_be_asked_for_tls() -> None:
    zone = {"example.com MX": ("10 a.example.net.",)}
    (found,) = exchangers_of("example.com", zone, security="starttls")
    assert (found.target.port, found.provider.config.starttls) == (25, "required")


def test_a_domain_that_takes_no_mail_has_a_reason() -> None:
    with pytest.raises(TransportError) as caught:
        exchangers_of("example.com", {"example.com MX": ("0 .",)})
    assert caught.value.reason == "null-mx"


@pytest.mark.parametrize("target", ["example.com:25", "192.0.2.1", "[::1]"])
def test_only_a_domain_has_exchangers(target: str) -> None:
    assert "must be a domain" in str(refusal(target, mx=True))


def test_a_configured_provider_is_not_taken_for_a_domain() -> None:
    known = config(provider("example.com"))
    zone = {"example.com MX": ("10 a.example.net.",)}
    with name_server(zone) as resolver:
        (found,) = subjects(Asked(target="example.com", mx=True), known, resolver=resolver)
    assert found.target.host == "a.example.net"


def test_nothing_is_looked_up_where_everything_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise AssertionError

    for name in ("faster_port", "submission_of", "exchangers"):
        monkeypatch.setattr(chosen, name, fail)
    for text in ("smtp.example.com:587", "smtp://h.test", "gmail", "[::1]:25"):
        assert isinstance(subject(text), Subject)


def test_a_subject_can_be_asked_for_again_with_other_values() -> None:
    asked = Asked(target="smtp.example.com:587")
    assert subjects(asked, None) == subjects(structs.replace(asked, timeout=5.0), None)


def test_every_refusal_is_one_of_ours() -> None:
    for text in ("", "\0", "\ud800", "xn--\ud800.test", "me@\0", "smtp://\ud800"):
        with pytest.raises(NexomailerError):
            subjects(Asked(target=text), None)
