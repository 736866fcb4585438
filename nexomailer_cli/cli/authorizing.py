"""The course of `nexomailer auth`: sign in, look, sign out."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.cli.quantities import seconds_of
from nexomailer_cli.credentials import Wallet
from nexomailer_cli.errors import OutputError, TokenError, UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.cli.everywhere import Globals
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.config.settings import Config, Provider
    from nexomailer_cli.oauth.client import TokenServer
    from nexomailer_cli.oauth.grant import Grant
    from nexomailer_cli.oauth.token import Token

LOCK_SECONDS = 30.0


class Way(Struct, frozen=True, kw_only=True):
    """How somebody wants to sign in. `timeout` is as it was typed."""

    device: bool
    opens_browser: bool
    timeout: str | None

    @property
    def seconds(self) -> float:
        """How long to wait for a person."""
        from nexomailer_cli.oauth.browser import SECONDS

        asked = seconds_of(self.timeout, "--timeout")
        return SECONDS if asked is None else asked


def login(name: str, way: Way, everywhere: Globals) -> int:
    """Have a person sign in, and keep the token; return the exit status."""
    output = everywhere.output
    provider = _named(_config(everywhere), name)
    wallet = _wallet(provider, output)
    _require_login(provider, wallet)
    _require_url(wallet.grant, way)
    seconds = way.seconds
    try:
        token = _signed_in(wallet.token_server(float("inf")), way, seconds, output)
    except TokenError as error:
        return _refused(error, output)
    _keep(wallet, token)
    if not token.refresh_token:
        output.warn("the service gave no refresh token: this sign-in ends with its access token")
    user, place = printable(wallet.grant.user), wallet.store.place
    output.result(f"{printable(name)}: signed in as {user}; the token is kept in {place}")
    output.note(f"To see whether the server takes it: nexomailer test-connection {printable(name)}")
    return ExitStatus.OK


def status(name: str | None, everywhere: Globals, *, as_json: bool) -> int:
    """Tell what is kept, for one provider or all; return the exit status."""
    from nexomailer_cli.cli.token_report import as_object, line, looked_up

    config, output = _config(everywhere), everywhere.output
    named = config.providers if name is None else (_named(config, name),)
    wallets = [(each, _wallet(each, output)) for each in named]
    if name is not None:
        _require_renewable(*wallets[0])
    found = [looked_up(each, wallet) for each, wallet in wallets if wallet.is_renewable]
    code = ExitStatus.OK if all(each.is_signed_in for each in found) else ExitStatus.NO_PERMISSION
    if as_json:
        import msgspec

        output.result(msgspec.json.encode(as_object(found, code, time.time())).decode())
        return code
    for each in found:
        output.result(line(each, time.time()))
    if not found:
        output.note("no provider signs in with access tokens that can be renewed")
    return code


def logout(name: str, everywhere: Globals) -> int:
    """Give the tokens back and forget them; return the exit status."""
    output = everywhere.output
    provider = _named(_config(everywhere), name)
    wallet = _wallet(provider, output)
    _require_renewable(provider, wallet)
    with _written(wallet), wallet.store.locked(seconds=LOCK_SECONDS):
        token = wallet.store.read()
        wallet.store.delete()
    if token is None:
        output.result(f"{printable(name)}: nobody was signed in")
        return ExitStatus.OK
    _give_back(wallet, token, output)
    output.result(f"{printable(name)}: signed out; the token is forgotten")
    return ExitStatus.OK


def _give_back(wallet: Wallet, token: Token, output: Output) -> None:
    """Have the service revoke a token; that it cannot is worth a warning only."""
    where = "in the account's settings at the service, it may still be valid"
    if not wallet.grant.revocation_url:
        output.note(f"the service takes no tokens back: look {where}")
        return
    try:
        server = wallet.token_server(float("inf"))
        server.revoke(token.refresh_token or token.access_token)
    except TokenError as error:
        output.warn(f"{printable(str(error))}; look {where}")


def _signed_in(server: TokenServer, way: Way, seconds: float, output: Output) -> Token:
    if way.device:
        from nexomailer_cli.oauth.device import ask_for_code, sign_in

        code = ask_for_code(server)
        output.fact(f"Open {printable(code.url)} in a browser anywhere and type the code:")
        output.fact(f"    {printable(code.user_code)}")
        return sign_in(server, code)
    from nexomailer_cli.oauth import browser

    def show(url: str) -> None:
        output.fact(f"Sign in as {printable(server.grant.user)} at")
        output.fact(f"    {printable(url)}")
        if way.opens_browser:
            import webbrowser

            webbrowser.open(url)

    return browser.sign_in(server, show=show, seconds=seconds)


def _refused(error: TokenError, output: Output) -> int:
    from nexomailer_cli.cli.findings import finding_lines
    from nexomailer_cli.probe.diagnosis import Evidence, diagnose

    finding = diagnose(Evidence(phase=error.phase, reason=error.reason, text=str(error)))
    output.error(printable(str(error)))
    for line in finding_lines(finding, output.indented):
        output.note(line)
    return finding.exit_status


def _keep(wallet: Wallet, token: Token) -> None:
    with _written(wallet), wallet.store.locked(seconds=LOCK_SECONDS):
        wallet.store.write(token)


@contextlib.contextmanager
def _written(wallet: Wallet) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise OutputError("another process is renewing this token: try again") from None
    except OSError as error:
        said = printable(error.strerror or type(error).__name__)
        raise OutputError(f"cannot keep the token in {wallet.store.place}: {said}") from error


def _config(everywhere: Globals) -> Config:
    from nexomailer_cli.config.file import load_config

    return load_config(everywhere.config, os.environ, warn=everywhere.output.warn)


def _named(config: Config, name: str) -> Provider:
    from nexomailer_cli.core import named

    return named(config, name)


def _wallet(provider: Provider, output: Output) -> Wallet:
    from nexomailer_cli.config.secrets import terminal_prompt

    return Wallet(
        provider,
        env=os.environ,
        prompt=terminal_prompt(),
        warn=output.warn,
        blocking=contextlib.nullcontext,
    )


def _require_renewable(provider: Provider, wallet: Wallet) -> None:
    if wallet.is_renewable:
        return
    auth = provider.config.auth
    given = auth is not None and auth.given_token is not None
    how = "is given its access token" if given else "signs in without access tokens"
    raise UsageError(
        f"provider “{printable(provider.name)}” {how}",
        hint='Tokens are renewed with type = "oauth2" and a client_id in its auth.',
    )


def _require_login(provider: Provider, wallet: Wallet) -> None:
    _require_renewable(provider, wallet)
    name = printable(provider.name)
    if wallet.grant.kind != "refresh_token":
        raise UsageError(f"provider “{name}” signs in by itself: grant = {wallet.grant.kind}")
    if provider.config.auth and provider.config.auth.refresh_token:
        raise UsageError(
            f"provider “{name}” has a refresh_token in its configuration",
            hint="Remove it there to sign in here.",
        )


def _require_url(grant: Grant, way: Way) -> None:
    key, url = (
        ("device_url", grant.device_url)
        if way.device
        else ("authorization_url", grant.authorization_url)
    )
    if url:
        return
    if grant.service:
        raise UsageError(
            f"{grant.service} gives no tokens for mail that way",
            hint="Leave --device out; with --no-browser the address may be opened anywhere.",
        )
    raise UsageError(
        f"it is not known where to sign in: {key} is missing",
        hint=f"Add {key} to the auth of provider “{printable(grant.provider)}”.",
    )
