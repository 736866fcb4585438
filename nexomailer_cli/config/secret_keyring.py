"""Passwords in the keyring of the desktop: the one file that knows the library for it.

The library is an extra, since servers have no keyring and installing it brings a dozen
packages along.
"""

from __future__ import annotations

from nexomailer_cli.printable import printable

INSTALL = "pip install 'nexomailer-cli[keyring]'"


class KeyringError(Exception):
    """The keyring gave no secret, or took none."""


def is_usable() -> bool:
    """Whether there is a keyring that could keep a password."""
    try:
        import keyring

        return keyring.get_keyring().priority > 0
    except Exception:  # whatever a backend thinks of; then there is none
        return False


def look_up(service: str, user: str) -> str:
    """Return the password of `user` that is kept under `service`; raise KeyringError."""
    password = find(service, user)
    if password is None:
        service, user = printable(service), printable(user)
        raise KeyringError(
            f"the keyring has nothing for {user} under {service}; keep it there with: "
            f"keyring set {service} {user}"
        )
    return password


def find(service: str, user: str) -> str | None:
    """Return the same, None if there is nothing; raise KeyringError."""
    try:
        import keyring

        return keyring.get_password(service, user)
    except Exception as error:
        raise _trouble(error) from None


def forget(service: str, user: str) -> None:
    """Remove what is kept there, if anything is; raise KeyringError."""
    if find(service, user) is None:
        return
    try:
        import keyring

        keyring.delete_password(service, user)
    except Exception as error:
        raise _trouble(error) from None


def keep(service: str, user: str, password: str) -> None:
    """Put the password of `user` under `service`; raise KeyringError."""
    try:
        import keyring

        keyring.set_password(service, user, password)
    except Exception as error:
        raise _trouble(error, password) from None


def _trouble(error: Exception, unspoken: str = "***") -> KeyringError:
    """Return what to say; a backend may raise anything: D-Bus, an operating system, a plug-in."""
    if isinstance(error, ImportError):
        return KeyringError(f"there is no support for keyrings: {INSTALL}")
    # "No recommended backend was available. …" goes on with links for developers.
    said = printable(str(error).replace(unspoken, "***").partition(". ")[0])[:200]
    return KeyringError(f"the keyring cannot be used: {said or type(error).__name__}")
