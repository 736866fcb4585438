"""`-4` and `-6`, for one run and every provider that is met over a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import structs

from nexomailer_cli.errors import UsageError

if TYPE_CHECKING:
    from nexomailer_cli.config.settings import Config, Provider

IpVersion = Literal[4, 6]


def ip_version_of(*, only_4: bool, only_6: bool) -> IpVersion | None:
    """Return what the two options ask for; raise UsageError for both."""
    if only_4 and only_6:
        raise UsageError("-4 and -6 do not go together")
    return 4 if only_4 else 6 if only_6 else None


def by_ip_version(config: Config, version: IpVersion | None) -> Config:
    """Return the configuration with another `ip_version`, if there is one."""
    if version is None:
        return config

    def by(provider: Provider) -> Provider:
        smtp = structs.replace(provider.config, ip_version=version)
        return structs.replace(provider, config=smtp)

    return structs.replace(config, providers=tuple(map(by, config.providers)))
