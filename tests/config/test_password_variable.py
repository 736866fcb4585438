from __future__ import annotations

from pathlib import Path

import pytest

from nexomailer_cli.config.file import load, load_config
from nexomailer_cli.config.password_variable import password_variable
from nexomailer_cli.config.secrets import Secret, resolve
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.errors import ConfigError

CONFIG = """\
[[providers]]
name = "main"
config = { host = "smtp.example.com", auth = { user = "me", pass = "in the file" } }
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str = CONFIG) -> str:
    Path("below").mkdir(exist_ok=True)
    path = Path("below", "nexomailer.toml")
    path.write_text(text)
    return str(path)


def auth(text: str = CONFIG, **env: str) -> Auth:
    found = load_config(write(text), env).providers[0].config.auth
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("main", "NEXOMAILER_MAIN_PASSWORD"),
        ("smtp.example.com", "NEXOMAILER_SMTP_EXAMPLE_COM_PASSWORD"),
        ("ses-eu-west-1", "NEXOMAILER_SES_EU_WEST_1_PASSWORD"),
        (" (my) shop ", "NEXOMAILER_MY_SHOP_PASSWORD"),
    ],
)
def test_a_variable_is_named_after_its_provider(provider: str, variable: str) -> None:
    assert password_variable(provider) == variable


def test_the_variable_takes_the_place_of_what_the_file_says() -> None:
    secret = auth(NEXOMAILER_MAIN_PASSWORD="hunter2").password
    assert secret == Secret("env", ("NEXOMAILER_MAIN_PASSWORD",))


def test_with_the_variable_the_file_need_not_say_anything() -> None:
    text = CONFIG.replace(', pass = "in the file"', "")
    assert auth(text, NEXOMAILER_MAIN_PASSWORD="hunter2").password is not None
    text = '[[providers]]\npreset = "sendgrid"\nconfig.auth = {}'
    assert auth(text, NEXOMAILER_SMTP_SENDGRID_NET_PASSWORD="SG.x").user == "apikey"


def test_what_it_holds_is_text_and_nothing_else() -> None:
    env = {"NEXOMAILER_MAIN_PASSWORD": "${HOME}"}
    secret = auth(**env).password
    assert secret is not None
    assert resolve(secret, env=env) == "${HOME}"


def test_the_other_spelling_gives_way_too() -> None:
    text = CONFIG.replace("pass =", "password =")
    assert auth(text, NEXOMAILER_MAIN_PASSWORD="x").password == Secret(
        "env", ("NEXOMAILER_MAIN_PASSWORD",)
    )


def test_a_file_is_looked_for_where_the_command_runs() -> None:
    Path("mounted ${x}").write_text("hunter2\n")
    Path("mounted ${x}").chmod(0o600)
    secret = auth(NEXOMAILER_MAIN_PASSWORD_FILE="mounted ${x}").password
    assert secret is not None
    assert resolve(secret, env={}) == "hunter2"


@pytest.mark.parametrize("name", ["NEXOMAILER_MAIN_PASSWORD", "NEXOMAILER_MAIN_PASSWORD_FILE"])
def test_an_empty_variable_is_none(name: str) -> None:
    assert auth(**{name: ""}).password == Secret("text", ("in the file",))


def test_a_token_is_no_password() -> None:
    text = CONFIG.replace('pass = "in the file"', 'type = "oauth2", access_token = "t"')
    assert auth(text, NEXOMAILER_MAIN_PASSWORD="hunter2").password is None


def test_nobody_signs_in_because_of_a_variable() -> None:
    text = '[[providers]]\nname = "main"\nconfig.host = "localhost"'
    config = load_config(write(text), {"NEXOMAILER_MAIN_PASSWORD": "hunter2"})
    assert config.providers[0].config.auth is None


def complaint(text: str, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(write(text), env)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


def test_both_variables_are_one_too_many() -> None:
    told = complaint(
        CONFIG, NEXOMAILER_MAIN_PASSWORD="hunter2", NEXOMAILER_MAIN_PASSWORD_FILE="hunter2"
    )
    assert told == (
        "below/nexomailer.toml:3: providers[0].config.auth.pass: $NEXOMAILER_MAIN_PASSWORD and "
        "$NEXOMAILER_MAIN_PASSWORD_FILE are both set: unset one"
    )


def test_no_provider_gets_the_password_of_another() -> None:
    text = CONFIG + CONFIG.replace('"main"', '"MAIN!"')
    assert len(load_config(write(text), {}).providers) == 2
    told = complaint(text, NEXOMAILER_MAIN_PASSWORD="hunter2")
    assert "providers[1].name: $NEXOMAILER_MAIN_PASSWORD would be the password" in told


def test_the_origin_is_the_variable() -> None:
    loaded = load(write(), {"NEXOMAILER_MAIN_PASSWORD": "hunter2"})
    place = ("providers", 0, "config", "auth", "pass")
    assert loaded.origins[place] == "$NEXOMAILER_MAIN_PASSWORD"


def test_it_goes_with_a_url_as_well() -> None:
    env = {
        "NEXOMAILER_URL": "smtps://me@smtp.example.com",
        "NEXOMAILER_SMTP_EXAMPLE_COM_PASSWORD": "hunter2",
    }
    found = load_config(None, env).providers[0].config.auth
    assert found is not None
    assert found.password == Secret("env", ("NEXOMAILER_SMTP_EXAMPLE_COM_PASSWORD",))
