from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.config.file import find_config, load_config
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import Config, SmtpConfig, Tls
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.errors import ConfigError, Problem

PASSWORD = "hunter2"
MINIMAL = '[[providers]]\nconfig.host = "smtp.example.com"\n'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, *, mode: int = 0o600) -> Path:
    path = Path("test.toml")
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def load(text: str, **env: str) -> Config:
    return load_config(str(write(text)), env)


def server(lines: str, **env: str) -> SmtpConfig:
    return (
        load(f'[[providers]]\n[providers.config]\nhost = "example.com"\n{lines}\n', **env)
        .providers[0]
        .config
    )


def problems(text: str | bytes, **env: str) -> list[Problem]:
    path = write(text if isinstance(text, str) else "")
    if isinstance(text, bytes):
        path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load_config(str(path), env)
    assert PASSWORD not in str(caught.value)
    assert all(problem.file == "test.toml" for problem in caught.value.problems)
    return list(caught.value.problems)


def places(text: str, **env: str) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.key) for problem in problems(text, **env)]


def complaint(lines: str, **env: str) -> str:
    """The only mistake of a provider's config block."""
    (problem,) = problems(
        f'[[providers]]\n[providers.config]\nhost = "example.com"\n{lines}\n', **env
    )
    return f"{problem.key.removeprefix('providers[0].config.')}: {problem.message}"


# Reading


def test_a_block_of_nexomailers_documentation_works_in_both_spellings() -> None:
    camel = server(
        """
        port = 587
        pool = true
        maxConnections = 10
        connectionTimeout = 5000
        socketTimeout = "10s"
        secure = false
        name = "my-custom-app"
        auth = { type = "oauth2", user = "me", accessToken = "ya29" }
        tls = { rejectUnauthorized = true, servername = "smtp.yourdomain.com" }
        """
    )
    snake = SmtpConfig(
        host="example.com",
        port=587,
        pool=True,
        max_connections=10,
        connection_timeout=5.0,
        socket_timeout=10.0,
        secure=False,
        name="my-custom-app",
        auth=Auth(type="oauth2", user="me", access_token=Secret("text", ("ya29",))),
        tls=Tls(reject_unauthorized=True, servername="smtp.yourdomain.com"),
    )
    assert camel == snake


def test_the_shortest_configuration_has_defaults_for_the_rest() -> None:
    config = load(MINIMAL)
    (provider,) = config.providers
    assert (provider.name, provider.priority, provider.weight) == ("smtp.example.com", 1, 1)
    assert provider.config == SmtpConfig(host="smtp.example.com")
    assert config.failover.strategy == "priority"
    assert config.path == "test.toml"


def test_defaults_for_messages_are_read() -> None:
    defaults = load(
        '[defaults]\nfrom = "Ops <ops@example.com>"\nreplyTo = "a@example.com"\n'
        'envelope_from = ""\n'
        'headers = { X-Team = "${TEAM}" }\ndeadline = "2m"\nretry_for = 0\n' + MINIMAL,
        TEAM="ops",
    ).defaults
    assert (defaults.from_, defaults.reply_to) == ("Ops <ops@example.com>", "a@example.com")
    assert (defaults.envelope_from, defaults.headers) == ("", {"X-Team": "ops"})
    assert (defaults.deadline, defaults.retry_for) == (120, 0)


def test_variables_stand_for_text_numbers_and_switches() -> None:
    config = server(
        'name = "${NAME}.example.com"\nport = "${PORT}"\n'
        'pool = "${POOL}"\nsocket_timeout = "${WAIT}"',
        NAME="mx",
        PORT="2525",
        POOL="false",
        WAIT="3s",
    )
    assert config.name == "mx.example.com"
    assert (config.port, config.pool, config.socket_timeout) == (2525, False, 3.0)


def test_a_variable_that_says_null_is_text() -> None:
    assert server('name = "${NAME}"', NAME="null").name == "null"


def test_secrets_are_not_looked_up() -> None:
    auth = server('auth = { user = "${WHO}", pass = "${NOWHERE}" }', WHO="me").auth
    assert auth == Auth(user="me", password=Secret("text", ("${NOWHERE}",)))


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        ('"hunter2"', Secret("text", ("hunter2",))),
        ('{ env = "SMTP_PASS" }', Secret("env", ("SMTP_PASS",))),
        ('{ file = "/run/secrets/smtp" }', Secret("file", ("/run/secrets/smtp",))),
        ('{ file = "~/smtp" }', Secret("file", ("~/smtp",))),
        ('{ file = "${DIR}/smtp" }', Secret("file", ("${DIR}/smtp",))),
        ('{ command = ["pass", "show"] }', Secret("command", ("pass", "show"))),
        ("{ prompt = true }", Secret("prompt")),
    ],
)
@pytest.mark.parametrize("key", ["pass", "password"])
def test_a_secret_says_where_it_is(key: str, written: str, secret: Secret) -> None:
    auth = server(f'auth = {{ user = "me", {key} = {written} }}').auth
    assert auth is not None
    assert auth.password == secret


def test_relative_files_are_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "ca.pem").touch()
    (tmp_path / "etc" / "nexomailer.toml").write_text(
        MINIMAL
        + '[providers.config.tls]\nca_file = "ca.pem"\n'
        + '[providers.config.auth]\nuser = "me"\npass = { file = "pass" }\n'
    )
    config = load_config("etc/nexomailer.toml", {}).providers[0].config
    assert config.tls.ca_file == str(tmp_path / "etc" / "ca.pem")
    assert config.auth is not None
    assert config.auth.password == Secret("file", (str(tmp_path / "etc" / "pass"),))


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert load("\ufeff" + MINIMAL).providers[0].config.host == "smtp.example.com"


# Presets


def test_a_preset_supplies_what_is_left_out() -> None:
    (provider,) = load('[[providers]]\npreset = "sendgrid"\nconfig.auth.pass = "x"').providers
    assert provider.name == "smtp.sendgrid.net"
    assert (provider.config.effective_port, provider.config.implicit_tls) == (587, False)
    assert provider.config.auth == Auth(user="apikey", password=Secret("text", ("x",)))


def test_a_preset_alone_is_enough() -> None:
    (provider,) = load('[[providers]]\npreset = "mailpit"').providers
    assert (provider.config.host, provider.config.effective_port) == ("localhost", 1025)


def test_what_the_block_says_beats_the_preset() -> None:
    (provider,) = load(
        '[[providers]]\npreset = "sendgrid"\n'
        'config = { host = "other.example.com", auth = { user = "me", pass = "x" } }'
    ).providers
    assert provider.config.host == "other.example.com"
    assert provider.config.auth is not None
    assert provider.config.auth.user == "me"


@pytest.mark.parametrize(
    ("said", "port", "implicit"),
    [
        ("", 465, True),
        ("config.port = 587", 587, False),
        ("config.secure = false", 587, False),
        ("config.secure = true", 465, True),
    ],
)
def test_port_and_security_of_a_preset_go_together(said: str, port: int, implicit: bool) -> None:
    config = load(f'[[providers]]\npreset = "gmail"\n{said}').providers[0].config
    assert (config.effective_port, config.implicit_tls) == (port, implicit)


def test_an_unknown_preset_is_one_mistake() -> None:
    (problem,) = problems('[[providers]]\npreset = "gmial"')
    assert problem == Problem(
        'unknown preset "gmial", did you mean "gmail"?', "providers[0].preset", "test.toml", 2
    )
    (problem,) = problems('[[providers]]\npreset = "qqqqqqqq"\nconfig.auth.pass = "x"')
    assert "there are gmail, " in problem.message


@pytest.mark.parametrize("name", ["ses", "ses-eu", "ses-<region>"])
def test_a_preset_without_its_region_is_told_about_it(name: str) -> None:
    (problem,) = problems(f'[[providers]]\npreset = "{name}"')
    assert 'did you mean "ses-<region>"?' in problem.message


def test_a_preset_of_the_wrong_type_is_refused() -> None:
    assert places('[[providers]]\npreset = 5\nconfig.host = "h"') == [(2, "providers[0].preset")]
    assert places('[[providers]]\npreset = "gmail"\nconfig = 5') == [(3, "providers[0].config")]


# Mistakes

BROKEN = """\
concurency = 3
[defaults]
from = "nobody"
retry_for = "5 parsecs"
headers = { "X Bad" = "a", X-Number = 5, X-Control = "a\\nb" }
[failover]
strategy = "prio"
[[providers]]
name = "main"
prority = 2
weight = -1
[providers.config]
port = "587x"
maxConnections = 0
max_connections = 5
auth = { user = "u", passwrd = "hunter2" }
tls = { rejectUnauthorized = "no", ca_file = "nowhere.pem", cert_file = "test.toml" }
[[providers]]
host = "x"
priority = "high"
[[providers]]
name = "main"
[providers.config]
host = "${NOWHERE}"
secure = true
port = 587
auth = "user:hunter2"
"""


def test_all_mistakes_are_told_at_once_each_with_line_and_key() -> None:
    assert places(BROKEN) == [
        (1, "concurency"),
        (3, "defaults.from"),
        (4, "defaults.retry_for"),
        (5, "defaults.headers.X-Number"),
        (5, "defaults.headers.X Bad"),
        (5, "defaults.headers.X-Control"),
        (7, "failover.strategy"),
        (10, "providers[0].prority"),
        (11, "providers[0].weight"),
        (12, "providers[0].config.host"),
        (13, "providers[0].config.port"),
        (14, "providers[0].config.maxConnections"),
        (15, "providers[0].config.max_connections"),
        (16, "providers[0].config.auth.passwrd"),
        (17, "providers[0].config.tls.rejectUnauthorized"),
        (17, "providers[0].config.tls.ca_file"),
        (17, "providers[0].config.tls.cert_file"),
        (18, "providers[1].config"),
        (19, "providers[1].host"),
        (20, "providers[1].priority"),
        (22, "providers[2].name"),
        (24, "providers[2].config.host"),
        (25, "providers[2].config.secure"),
        (27, "providers[2].config.auth"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("prot = 1", 'prot: unknown key "prot", did you mean "port"?'),
        ("max-connections = 1", 'did you mean "max_connections"?'),
        ('user = "me"', 'user: unknown key "user": it belongs to auth'),
        ("reject_unauthorized = true", "it belongs to tls"),
        ("requireTLS = true", 'use starttls = "required"'),
        ('use_tls = "x"', "use secure = true"),
        ("xyzzy = 1", 'unknown key "xyzzy"; there are host, port, secure, '),
        ('"\\u001b[2J" = 1', 'unknown key "\\x1b[2J"'),
        ("port = 0", "port: expected a whole number from 1 to 65535, got 0"),
        ("port = 65536", "got 65536"),
        ("port = 58.7", "got 58.7"),
        ("port = true", "got true"),
        ("port = [587]", "got a list"),
        ("port = 1979-05-27", "got a date or time"),
        ('port = "587"', 'got "587"'),
        ("port = 99999999999999999999999999999999999999999999", "got 99999"),
        ("pool = 1", "pool: expected true or false, got 1"),
        ("name = 5", "name: expected text, not empty, got a number"),
        ('name = ""', "name: expected text, not empty, got text"),
        ('starttls = "maybe"', 'expected "auto", "required" or "never", got "maybe"'),
        ('starttls = "\\u001b]0;x"', 'got "\\x1b]0;x"'),
        ("connection_timeout = 0", 'expected a time such as "30s", more than 0'),
        ("connection_timeout = -1", "got -1"),
        ("connection_timeout = inf", "got inf"),
        ("connection_timeout = nan", "got nan"),
        ("connection_timeout = true", "got true"),
        ('connection_timeout = "500d"', 'got "500d"'),
        (f"connection_timeout = 1{'0' * 400}", "got 1000"),
        ('socket_timeout = "5 parsecs"', 'got "5 parsecs"'),
        ("tls = 5", "tls: expected a table, got a number"),
        ('host2 = "x"', 'did you mean "host"?'),
        ('port = "${PORT}"', "port: environment variable PORT is not set"),
        ('port = "${POR T}"', 'a "${…}" holds no variable\'s name'),
        ('tls.ca_file = "nowhere.pem"', "tls.ca_file: there is no file "),
        ('tls.ca_file = "a\\u0000b"', "a\\x00b"),
        ('tls.ca_file = "~nobody-at-all/x"', "tls.ca_file: cannot look at ~nobody-at-all/x: "),
        ('tls.ca_file = "."', "tls.ca_file: there is no file "),
    ],
)
def test_a_mistake_says_what_is_expected(line: str, message: str) -> None:
    assert message in complaint(line)


def test_a_number_out_of_a_variable_is_not_quoted() -> None:
    assert 'got "${PORT}"' in complaint('port = "${PORT}"', PORT="12345678")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("5", "expected text, or a table of env, file, command, keyring or prompt"),
        ('""', "is empty"),
        ('"hunter2${"', '"${" has no "}" behind it'),
        ("{}", "expected exactly one of env, file, command, keyring or prompt"),
        ('{ env = "A", file = "b" }', "expected exactly one of"),
        ('{ value = "hunter2" }', "expected one of env"),
        ('{ keyring = "" }', "the name of the service"),
        ('{ env = "$SMTP_PASS" }', "without $"),
        ("{ env = 5 }", "without $"),
        ("{ file = 5 }", "file takes a path"),
        ('{ file = "" }', "is empty"),
        ('{ command = "pass show hunter2" }', "there is no shell"),
        ("{ command = [] }", "there is no shell"),
        ('{ command = ["pass", 5] }', "there is no shell"),
        ('{ command = [""] }', "there is no shell"),
        ("{ prompt = false }", "prompt takes only true"),
    ],
)
def test_a_secret_that_is_none_is_refused_without_quoting_it(written: str, message: str) -> None:
    told = complaint(f'auth = {{ user = "me", pass = {written} }}')
    assert told.startswith("auth.pass: ")
    assert message in told


AUTH = 'auth = { user = "me", pass = "hunter2" }'


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("secure = true\nport = 587", "secure: port 587 speaks STARTTLS"),
        ("secure = false\nport = 465", "secure: port 465 speaks TLS from the first byte"),
        (
            f'{AUTH}\nstarttls = "never"',
            "starttls: the password would go to example.com unencrypted",
        ),
        (
            f"{AUTH}\ntls.rejectUnauthorized = false",
            "tls.rejectUnauthorized: the password would go",
        ),
        ('auth = { user = "me" }', "auth.pass: is missing; pass = { prompt = true }"),
        ('auth = { pass = "x" }', "auth.user: is missing"),
        ('auth = { user = "", pass = "x" }', "auth.user: expected text, not empty"),
        ('auth = { user = "a\\u0000b", pass = "x" }', "auth.user: holds a control character"),
        ('tls.servername = "a\\nb"', "tls.servername: holds a control character"),
        (
            'auth = { user = "me", type = "oauth2" }',
            'auth.type: type = "oauth2" needs an access_token',
        ),
        ('auth = { user = "me", accessToken = "x" }', "auth.accessToken: is used only with type"),
        (
            'auth = { user = "me", type = "oauth2", access_token = "x", pass = "y" }',
            'auth.pass: is not used with type = "oauth2"',
        ),
        (
            'auth = { user = "me", pass = "x", method = "xoauth2" }',
            'auth.method: method = "xoauth2" does not go with type = "login"',
        ),
        (
            'auth = { user = "me", type = "oauth2", access_token = "x", method = "plain" }',
            "auth.method: ",
        ),
        (
            'auth = { user = "me", pass = "x", method = "oauthbearer" }',
            'auth.method: method = "oauthbearer" does not go with type = "login"',
        ),
        (
            'auth = { user = "me", pass = "x", method = "external" }\n'
            'tls = { cert_file = "test.toml", key_file = "test.toml" }',
            'auth.pass: is not used with method = "external"',
        ),
        (
            'auth = { user = "me", method = "external" }',
            "auth.method: signs in with a client certificate",
        ),
        (
            'auth = { user = "me", type = "oauth2", accessTokenCommand = "token" }',
            "auth.accessTokenCommand: command takes a list",
        ),
        (
            'auth = { user = "me", type = "oauth2", access_token_command = ["t"], clientId = "x" }',
            "auth.clientId: is not used with an access token that is given",
        ),
        (
            'auth = { user = "me", type = "oauth2", access_token = "x", '
            'access_token_command = ["t"] }',
            "auth.access_token_command: there is an access_token too",
        ),
        (
            'auth = { user = "me", type = "oauth2", client_id = "x" }',
            "auth.type: add token_url, or service",
        ),
        (
            'auth = { user = "me", type = "oauth2", client_id = "x", service = "yahoo" }',
            'auth.service: expected "google" or "microsoft"',
        ),
        (
            'auth = { user = "me", pass = "x", client_id = "x" }',
            "auth.client_id: is used only with type",
        ),
        (
            'auth = { user = "me", type = "oauth2", service_account_file = "test.toml", '
            'client_id = "x", service = "google" }',
            "auth.client_id: is not used with service_account_file",
        ),
        (
            'auth = { user = "me", type = "oauth2", client_id = "x", service = "google", '
            'grant = "client_credentials" }',
            'auth.grant: grant = "client_credentials" needs a client_secret',
        ),
        (
            'auth = { user = "me", type = "oauth2", client_id = "x", client_secret = "s", '
            'service = "google", grant = "client_credentials", refreshToken = "r" }',
            'auth.refreshToken: is not used with grant = "client_credentials"',
        ),
        (
            'auth = { user = "me", type = "oauth2", client_id = "x", client_secret = "s", '
            'service = "microsoft", grant = "client_credentials" }',
            'auth.grant: grant = "client_credentials" needs the tenant',
        ),
        ('tls.cert_file = "test.toml"', "tls.cert_file: a certificate needs its key"),
        ('tls.key_file = "test.toml"', "tls.key_file: a key needs its certificate"),
        ('name = "my app"', "name: is no EHLO name"),
        ('name = "bücher.example"', "name: is no EHLO name"),
        ("ip_version = 5", "ip_version: expected 4 or 6, got 5"),
        ('ip_version = "4"', 'ip_version: expected 4 or 6, got "4"'),
        ('source_address = "eth0"', "source_address: is no IP address"),
        (
            'ip_version = 6\nsourceAddress = "192.0.2.7"',
            "sourceAddress: is an address of IP version 4, and ip_version one of version 6",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(lines: str, message: str) -> None:
    assert message in complaint(lines)


@pytest.mark.parametrize(
    "lines",
    [
        f'{AUTH}\nstarttls = "never"\nallow_plaintext_auth = true',
        f"{AUTH}\ntls.reject_unauthorized = false\nallow_plaintext_auth = true",
        f'{AUTH}\nstarttls = "never"\nport = 465',
        "tls.reject_unauthorized = false",
        'starttls = "never"',
        "secure = true\nport = 1025",
        'auth = { user = "me", type = "oauth2", access_token = "x", method = "xoauth2" }',
        'auth = { user = "me", type = "oauth2", access_token_command = ["t", "me"] }',
        'auth = { user = "me", type = "oauth2", clientId = "x", service = "google" }',
        'auth = { user = "me", type = "oauth2", client_id = "x", access_url = "https://a.test/t" }',
        'auth = { user = "me", type = "oauth2", service_account_file = "test.toml", '
        'service = "google" }',
        'auth = { user = "me", type = "oauth2", client_id = "x", client_secret = "s", '
        'service = "microsoft", tenant = "a.test", grant = "client_credentials" }',
        'auth = { user = "me", method = "external" }\n'
        'tls = { cert_file = "test.toml", key_file = "test.toml" }',
        'tls = { cert_file = "test.toml", key_file = "test.toml" }',
        'name = "[192.0.2.1]"',
        'ip_version = 6\nsource_address = "2001:db8::7"',
    ],
)
def test_what_only_looks_strange_is_taken(lines: str) -> None:
    assert server(lines).host == "example.com"


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("smtp.example.com:587", 'host = "smtp.example.com", port = 587'),
        ("smtp://example.com", "is no host name"),
        ("[::1]", "is no host name"),
        ("exa mple.com", "is no host name"),
        ("example.com\\n", "is no host name"),
        ("me@example.com", "is no host name"),
        ("", "expected text, not empty"),
    ],
)
def test_a_host_is_a_name_and_nothing_more(host: str, message: str) -> None:
    (problem,) = problems(f'[[providers]]\nconfig.host = "{host}"')
    assert message in problem.message


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("ip_version = 4", "::1 is an address of IP version 6: remove ip_version"),
        (
            'source_address = "192.0.2.7"',
            "is an address of IP version 4, and host one of version 6",
        ),
    ],
)
def test_an_address_is_reached_by_its_own_version_of_ip(lines: str, message: str) -> None:
    (problem,) = problems(f'[[providers]]\n[providers.config]\nhost = "::1"\n{lines}')
    assert problem.message == message


def test_a_password_may_go_unencrypted_to_this_machine() -> None:
    text = f'[[providers]]\n[providers.config]\nhost = "::1"\nstarttls = "never"\n{AUTH}\n'
    assert not load(text).providers[0].config.tls_required


@pytest.mark.parametrize("text", ["", "providers = []", "[defaults]"])
def test_without_a_provider_the_hint_shows_a_first_one(text: str) -> None:
    with pytest.raises(ConfigError, match="there is no provider to send through") as caught:
        load(text)
    assert "[[providers]]" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[providers]\nname = "x"', "write [[providers]], with two brackets"),
        ("providers = 5", "expected a list, got a number"),
        ("providers = [5]", "expected a table, got a number"),
        ("defaults = 5\n" + MINIMAL, "expected a table, got a number"),
        ("defaults.headers = 5\n" + MINIMAL, "expected a table, got a number"),
        ('path = "x"\n' + MINIMAL, 'unknown key "path"'),
        (
            '[failover]\nstrategy = "weighted"\n[[providers]]\nweight = 0\nconfig.host = "h"',
            "weight is 0",
        ),
        (MINIMAL + '[[providers]]\nconfig.host = "smtp.example.com"', "there is another provider"),
        ('[[providers]]\nname = "a\\u001b"\nconfig.host = "h"', "holds a control character"),
        ('[[providers]]\nname = "a\\u009b"\nconfig.host = "h"', "holds a control character"),
        ('[[providers]]\nname = "a\\u202e"\nconfig.host = "h"', "holds a control character"),
        ('[[providers]]\ntype = "ses"\nconfig.host = "h"', 'expected "smtp", got "ses"'),
        ("[[providers]]\nconfig = {}", "is missing"),
    ],
)
def test_a_mistake_of_shape_is_told_once(text: str, message: str) -> None:
    (problem,) = problems(text)
    assert message in problem.message


def test_a_value_that_is_wrong_by_itself_causes_no_contradiction() -> None:
    assert "passwrd" in complaint('auth = { user = "me", passwrd = "hunter2" }')
    assert "port" in complaint("secure = false\nport = 46500000")


# Files that cannot be read


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a = 1\nb =\n", 2, "column 4: Invalid value"),
        ("a = 1\na = 2\n", 2, "Cannot overwrite a value"),
        ('\n\na = "hunter2', 3, "Unterminated string"),
        ("a = " + "[" * 3000, None, "nested too deeply"),
        ("a = " + "1" * 5000, None, "too many digits"),
    ],
)
def test_a_mistake_of_syntax_has_a_line(text: str, line: int | None, message: str) -> None:
    (problem,) = problems(text)
    assert problem.line == line
    assert message in problem.message


def test_text_that_is_not_utf8_is_refused_at_its_line() -> None:
    (problem,) = problems(b'[[providers]]\nname = "hunter2 \xff"\n')
    assert (problem.line, problem.message) == (2, "is not UTF-8 text")


def test_a_file_that_never_ends_is_refused() -> None:
    with pytest.raises(ConfigError, match="/dev/zero: is larger than 1 MiB"):
        load_config("/dev/zero", {})


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere.toml", "No such file"), (".", "Is a directory"), ("a\0b", "embedded null byte")],
)
def test_a_file_that_cannot_be_read_is_named(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(name, {})


def test_a_configuration_may_come_through_a_pipe() -> None:
    reader, writer = os.pipe()
    os.write(writer, MINIMAL.encode())
    os.close(writer)
    config = load_config(f"/dev/fd/{reader}", {}, warn=pytest.fail)
    os.close(reader)
    assert config.providers[0].name == "smtp.example.com"


# Permissions


def warnings(text: str, mode: int) -> list[str]:
    told: list[str] = []
    load_config(str(write(text, mode=mode)), {}, warn=told.append)
    return told


LITERAL = MINIMAL + 'config.auth = { user = "me", pass = "hunter2" }\n'


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_password_in_a_file_that_others_can_read_is_warned_about(mode: int) -> None:
    (warning,) = warnings(LITERAL, mode)
    assert (
        warning
        == f"test.toml: holds a password that others can read: chmod 600 it (mode {mode:04o})"
    )


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (LITERAL, 0o600),
        (LITERAL.replace("hunter2", "${PASS}"), 0o644),
        (LITERAL.replace('"hunter2"', '{ env = "PASS" }'), 0o666),
        (LITERAL.replace('"hunter2"', '{ command = ["x"] }'), 0o644),
        (MINIMAL, 0o666),
    ],
)
def test_permissions_do_not_matter_where_there_is_no_password(text: str, mode: int) -> None:
    assert warnings(text, mode) == []


def test_a_command_in_a_file_that_others_can_write_is_warned_about() -> None:
    (warning,) = warnings(LITERAL.replace('"hunter2"', '{ command = ["x"] }'), 0o622)
    assert "others can write here what runs as you" in warning


def test_a_token_counts_as_a_password() -> None:
    token = 'config.auth = { type = "oauth2", user = "me", access_token = "hunter2" }\n'
    assert len(warnings(MINIMAL + token, 0o644)) == 1


# Look-up


def test_the_first_place_that_has_a_configuration_wins(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
    assert find_config(None, env) is None
    user = tmp_path / "xdg" / "nexomailer" / "config.toml"
    user.parent.mkdir(parents=True)
    user.touch()
    assert find_config(None, env) == user
    Path("nexomailer.toml").touch()
    assert find_config(None, env) == Path("nexomailer.toml")
    env["NEXOMAILER_URL"] = "smtp://localhost"
    assert find_config(None, env) is None
    env["NEXOMAILER_CONFIG"] = "from-env.toml"
    assert find_config(None, env) == Path("from-env.toml")
    assert find_config("explicit.toml", env) == Path("explicit.toml")


@pytest.mark.parametrize("xdg", [None, "", "relative"])
def test_without_an_xdg_directory_it_is_dot_config(tmp_path: Path, xdg: str | None) -> None:
    env = {"HOME": str(tmp_path)} | ({} if xdg is None else {"XDG_CONFIG_HOME": xdg})
    path = tmp_path / ".config" / "nexomailer" / "config.toml"
    path.parent.mkdir(parents=True)
    path.touch()
    assert find_config(None, env) == path


def test_a_dangling_link_is_an_error_and_not_skipped() -> None:
    Path("nexomailer.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"nexomailer\.toml: cannot be read: No such file"):
        load_config(None, {})


def test_empty_variables_are_like_none() -> None:
    with pytest.raises(ConfigError, match="there is no configuration") as caught:
        load_config(None, {"NEXOMAILER_CONFIG": "", "NEXOMAILER_URL": "", "HOME": ""})
    assert "NEXOMAILER_URL=smtps://" in caught.value.hint


TOML_KEYS = st.sampled_from(
    [
        "providers",
        "defaults",
        "config",
        "host",
        "port",
        "auth",
        "pass",
        "tls",
        "preset",
        "x",
        "name",
    ]
)
TOML_VALUES = st.recursive(
    st.sampled_from(
        ['"${"', '"hunter2"', '"gmail"', "5", "-1", "true", "1.5", "1979-05-27", "[]", "{}"]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(TOML_KEYS, inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(TOML_KEYS, TOML_VALUES, max_size=3))
def test_no_shape_of_file_is_more_than_a_mistake(tables: dict[str, str]) -> None:
    path = write("\n".join(f"{key} = {value}" for key, value in tables.items()))
    try:
        config = load_config(str(path), {})
    except ConfigError as error:
        assert PASSWORD not in str(error).replace('preset "hunter2"', "")
    else:
        assert config.providers


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://a.test/token", "must begin with https://"),
        ("http://127.0.0.1.a.test/token", "must begin with https://"),
        ("ftp://a.test/token", "it begins with https://"),
        ("https:///token", "it begins with https://"),
        ("https://me:hunter2@a.test/token", "must have no user name"),
        ("https://a.test/token#hunter2", "must have no user name"),
        ("https://a.test:port/token", "is no URL"),
        ("https://a.test/hunter2 x", "is no URL: it holds a blank"),
        ("https://[a.test/token", "is no URL"),
    ],
)
@pytest.mark.parametrize("key", ["token_url", "device_url", "authorization_url", "revocation_url"])
def test_secrets_are_sent_only_where_nobody_listens(key: str, url: str, complaint: str) -> None:
    auth = {"token_url": "https://a.test/token", key: url}
    lines = ", ".join(f'{name} = "{value}"' for name, value in auth.items())
    (found,) = problems(
        f'{MINIMAL}config.auth = {{ type = "oauth2", user = "me", client_id = "x", {lines} }}\n'
    )
    assert found.key == f"providers[0].config.auth.{key}"
    assert complaint in found.message
    assert "hunter2" not in found.message


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080"])
def test_this_machine_may_give_tokens_without_encryption(host: str) -> None:
    server(
        'auth = { type = "oauth2", user = "me", client_id = "x", '
        f'token_url = "http://{host}/token" }}'
    )


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("smtp.gmail.com", "google"),
        ("SMTP.Office365.com.", "microsoft"),
        ("smtp.example.com", None),
    ],
)
def test_the_host_tells_who_gives_the_tokens(host: str, service: str | None) -> None:
    found = Auth(type="oauth2", user="me", client_id="x").token_service(host)
    assert (found.name if found else None) == service
