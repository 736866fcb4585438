"""Find the configuration and read it: the door to this room.

In this order: what `--config` names, what `$NEXOMAILER_CONFIG` names, the URL in
`$NEXOMAILER_URL`, `./nexomailer.toml`, `nexomailer/config.toml` in the user's
config directory. The first one is the only one: nothing is merged.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from msgspec import Struct

from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import Config
from nexomailer_cli.errors import ConfigError, Problem
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nexomailer_cli.config.lines import KeyPath
    from nexomailer_cli.config.settings import Provider

CONFIG_VARIABLE = "NEXOMAILER_CONFIG"
URL_VARIABLE = "NEXOMAILER_URL"
HERE = Path("nexomailer.toml")
URL_ORIGIN = f"${URL_VARIABLE}"  # what stands for a file's name in messages

MAX_BYTES = 1024 * 1024  # a thousand providers; stops at /dev/zero

FIRST_CONFIG = (
    "`nexomailer config init` writes one. Or write nexomailer.toml with a line [[providers]] "
    "and, below it, the line config = "
    '{ host = "smtp.example.com", auth = { user = "me@example.com", pass = "${SMTP_PASS}" } }; '
    "or set NEXOMAILER_URL=smtps://user:password@host."
)


def find_config(explicit: str | None, env: Mapping[str, str]) -> Path | None:
    """Return the file to read, None if there is none or `$NEXOMAILER_URL` stands in for it.

    A file that was named is returned whether it exists or not.
    """
    named = explicit or env.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    if env.get(URL_VARIABLE):
        return None
    return next((path for path in _usual_places(env) if _is_there(path)), None)


def load_config(
    explicit: str | None,
    env: Mapping[str, str],
    *,
    warn: Callable[[str], None] | None = None,
) -> Config:
    """Return the configuration; raise ConfigError with all of its mistakes.

    `warn` is told about files whose secrets others can read. No secret is looked up.
    """
    return load(explicit, env, warn=warn).config


class Loaded(Struct, frozen=True):
    """A configuration, and the text and keys that it was made of.

    `origins` are as in `reader.Reader`; `text` is that of the file, empty for a URL.
    """

    config: Config
    origins: dict[KeyPath, str | KeyPath]
    text: str = ""


def load(
    explicit: str | None,
    env: Mapping[str, str],
    *,
    warn: Callable[[str], None] | None = None,
) -> Loaded:
    """Return the same as `load_config`, and where every value came from."""
    path = find_config(explicit, env)
    if path is not None:
        is_chance = path == HERE and not (explicit or env.get(CONFIG_VARIABLE))
        return _from_file(path, env, warn, is_chance=is_chance)
    url = env.get(URL_VARIABLE)
    if url:
        return _from_url(url, env)
    raise no_config()


def users_config(env: Mapping[str, str]) -> Path | None:
    """Return where the user's own configuration is looked for, whether it is there or not."""
    directory = env.get("XDG_CONFIG_HOME", "")
    # The XDG specification has relative paths ignored.
    if os.path.isabs(directory):  # noqa: PTH117
        return Path(directory, "nexomailer", "config.toml")
    return Path(env["HOME"], ".config", "nexomailer", "config.toml") if env.get("HOME") else None


def config_of_text(text: str, env: Mapping[str, str], path: Path) -> Config:
    """Return the configuration that a file of this text at `path` would be; raise ConfigError."""
    return _read(text, env, path).config


def no_config() -> ConfigError:
    """Return the error for somebody who has not configured anything yet."""
    return ConfigError(Problem("there is no configuration"), hint=FIRST_CONFIG)


def all_secrets(config: Config) -> Iterator[tuple[Provider, str, Secret]]:
    """Yield every secret with its provider and what it is, such as a password."""
    from nexomailer_cli.config.keys import keys_of
    from nexomailer_cli.config.secrets import Secret

    for provider in config.providers:
        auth = provider.config.auth
        for key in keys_of(type(auth)) if auth else ():
            secret = getattr(auth, key.attribute)
            if isinstance(secret, Secret):
                yield provider, key.attribute.replace("_", " "), secret
        proxy = provider.config.proxy
        if proxy and (proxy.kind != "text" or "@" in proxy.parts[0]):
            yield provider, "proxy", proxy


def _usual_places(env: Mapping[str, str]) -> Iterator[Path]:
    yield HERE
    if (own := users_config(env)) is not None:
        yield own


def _is_there(path: Path) -> bool:
    # A dangling link or a directory is there: silence about it would send with another config.
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _from_file(
    path: Path, env: Mapping[str, str], warn: Callable[[str], None] | None, *, is_chance: bool
) -> Loaded:
    file = printable(str(path))
    text, status = _content(path, file)
    loaded = _read(text, env, path)
    _look_at_owner(loaded.config, file, status, warn, is_chance=is_chance)
    return loaded


def _read(text: str, env: Mapping[str, str], path: Path) -> Loaded:
    from nexomailer_cli.config.reader import Reader
    from nexomailer_cli.config.value import Source

    file = printable(str(path))
    table = _parsed(text, file)
    reader = Reader(Source(env, base=path.absolute().parent), path=str(path))
    config = reader.read(table)
    if reader.mistakes:
        _refuse(
            _located(reader.mistakes, text, file),
            hint="" if table.get("providers") else FIRST_CONFIG,
        )
    return Loaded(config, reader.origins, text)


def _look_at_owner(
    config: Config,
    file: str,
    status: os.stat_result,
    warn: Callable[[str], None] | None,
    *,
    is_chance: bool,
) -> None:
    secrets = tuple(secret for _, _, secret in all_secrets(config))
    if not any(secret.kind == "command" or secret.is_literal for secret in secrets):
        return
    from nexomailer_cli.config.file_owner import refuse_strangers, warn_of_others

    if is_chance:
        refuse_strangers(file, status, secrets)
    if warn and stat.S_ISREG(status.st_mode):
        warn_of_others(file, status, secrets, warn)


def config_of_url(
    url: str, env: Mapping[str, str], *, file: str = URL_ORIGIN, asks: bool = False
) -> Config:
    """Return the configuration that a URL amounts to; raise ConfigError, which quotes none of it.

    `file` is what its mistakes are said to stand in. With `asks`, a user without a password is
    asked for it.
    """
    return _from_url(url, env, file, asks=asks).config


def _from_url(
    url: str, env: Mapping[str, str], file: str = URL_ORIGIN, *, asks: bool = False
) -> Loaded:
    from nexomailer_cli.config.reader import Reader
    from nexomailer_cli.config.url import tables_of
    from nexomailer_cli.config.value import Source

    try:
        tables = tables_of(url)
    except ValueError as error:
        raise ConfigError(Problem(str(error), file=file)) from None
    if asks and (auth := tables["providers"][0]["config"].get("auth")):
        auth.setdefault("pass", {"prompt": True})
    reader = Reader(Source(env, base=Path(), is_typeless=True))
    config = reader.read(tables)
    if reader.mistakes:
        _refuse(Problem(said, dotted(path[-1:]), file) for path, said in reader.mistakes)
    return Loaded(config, reader.origins)


def _content(path: Path, file: str) -> tuple[str, os.stat_result]:
    """Return the file's text, and whose it is."""
    try:
        with path.open("rb") as opened:
            status = os.fstat(opened.fileno())
            content = opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(Problem(f"cannot be read: {reason}", file=file)) from error
    if len(content) > MAX_BYTES:
        raise ConfigError(Problem("is larger than 1 MiB: this is no configuration", file=file))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        # `from None`: the exception quotes the whole file, passwords included.
        raise ConfigError(Problem("is not UTF-8 text", file=file, line=line)) from None
    return text, status


def _parsed(text: str, file: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line = _syntax(str(error), text)
    except RecursionError:
        message, line = "is nested too deeply", None
    except ValueError:
        message, line = "holds a number with too many digits, or a date that is none", None
    raise ConfigError(Problem(message, file=file, line=line)) from None


def _syntax(message: str, text: str) -> tuple[str, int | None]:
    """Take the place out of tomllib's message: `… (at line 3, column 5)`."""
    import re

    what, _, where = message.rpartition(" (at ")
    numbers = re.findall("[0-9]+", where)
    if len(numbers) == 2:
        return f"column {numbers[1]}: {printable(what)}", int(numbers[0])
    return printable(message), len(text.splitlines())


def _located(mistakes: Iterable[tuple[KeyPath, str]], text: str, file: str) -> list[Problem]:
    """Turn mistakes into problems with line numbers, in the order of the file."""
    from nexomailer_cli.config.lines import lines_of, nearest_line

    lines = lines_of(text)
    problems = [
        Problem(message, dotted(path), file, nearest_line(lines, path))
        for path, message in mistakes
    ]
    return sorted(problems, key=lambda problem: problem.line or 0)


def _refuse(problems: Iterable[Problem], *, hint: str = "") -> NoReturn:
    raise ConfigError(*problems, hint=hint)


def dotted(path: KeyPath) -> str:
    """Return a path of keys as people write it: `providers[0].config.port`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{printable(step)}"
    return text.removeprefix(".")
