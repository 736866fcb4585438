"""The key of a Google service account, and what is signed with it (RFC 7523)."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from nexomailer_cli.errors import Problem, SecretError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.oauth.grant import Grant

MAX_BYTES = 64 * 1024
LIFE_SECONDS = 3600  # the longest that Google takes


class ServiceAccount(Struct, frozen=True):
    """What is needed of the JSON file that Google's console makes."""

    client_email: str
    private_key: str
    private_key_id: str = ""

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_email!r}, ***)"

    def signed(self, grant: Grant, now: float) -> str:
        """Return an assertion, good for an hour, that the account acts for the grant's user.

        Raises ValueError for a key that is none.
        """
        from joserfc import jwt
        from joserfc.jwk import RSAKey

        # RFC 7523 section 3; Google has the scope beside.
        claims = {
            "iss": self.client_email,
            "sub": grant.user,
            "aud": grant.token_url,
            "scope": grant.scope,
            "iat": int(now),
            "exp": int(now) + LIFE_SECONDS,
        }
        # Whatever is raised for a key may quote it.
        with contextlib.suppress(Exception):
            return jwt.encode(self._header, claims, RSAKey.import_key(self.private_key))
        raise ValueError("the private key of the service account cannot be used")

    @property
    def _header(self) -> dict[str, str]:
        return {"alg": "RS256"} | ({"kid": self.private_key_id} if self.private_key_id else {})


def read_service_account(grant: Grant, warn: Callable[[str], None]) -> ServiceAccount:
    """Return the account in the grant's file; raise SecretError, which quotes none of it."""
    path = Path(grant.service_account_file)
    shown = printable(str(path))
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_BYTES)
    except OSError as error:
        raise _unusable(grant, f"cannot read {shown}: {error.strerror}") from error
    if mode & 0o077:
        warn(f"others can read {shown}: chmod 600 it (mode {mode:04o})")
    try:
        return msgspec.json.decode(content, type=ServiceAccount)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    raise _unusable(grant, f"{shown} is no key of a service account")


def _unusable(grant: Grant, message: str) -> SecretError:
    return SecretError(Problem(message, key=f"key of provider {printable(grant.provider)}"))
