"""Runs `test-connection`: one examination after the other, and a screen that listens."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from nexomailer_cli.cli import signals
from nexomailer_cli.cli.exit_status import ExitStatus, of_error
from nexomailer_cli.cli.screen import screen_for
from nexomailer_cli.core import (
    Surroundings,
    Wishes,
    renewal_for,
    terms_for,
    terms_without_secret,
)
from nexomailer_cli.errors import (
    ConfigError,
    NexomailerError,
    SecretError,
    TransportError,
)
from nexomailer_cli.probe import examination
from nexomailer_cli.probe.examination import Case
from nexomailer_cli.probe.examine import examine
from nexomailer_cli.probe.found import refusal
from nexomailer_cli.probe.summary import interrupted, together
from nexomailer_cli.probe.target import subjects
from nexomailer_cli.probe.trust import trust_of

if TYPE_CHECKING:
    from nexomailer_cli.cli.everywhere import Globals
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.cli.screen import Screen
    from nexomailer_cli.config.settings import Config
    from nexomailer_cli.probe.report import Examinations, Report
    from nexomailer_cli.probe.target import Asked, Subject


def perform(asked: Asked, everywhere: Globals) -> int:
    """Examine what is asked for, tell what is found; return the exit status."""
    with signals.interruptible():
        try:
            cases = _cases(asked, everywhere)
        except KeyboardInterrupt:
            if asked.form == "words":
                raise
            return _tell(interrupted(), asked, everywhere.output)
        except NexomailerError as error:
            if asked.form == "words" and not isinstance(error, TransportError):
                raise
            return _tell(_refused(error, asked), asked, everywhere.output)
        return _perform(cases, asked, everywhere.output).exit_code


def examine_all(asked: Asked, config: Config, output: Output) -> Examinations:
    """Examine every provider of a configuration, tell it as it goes, and return the reports.

    With any form but words nothing is told.
    """
    with signals.interruptible():
        cases = _cases_of(asked, config, output)
        if asked.form != "words":
            return together(tuple(_reports(cases, None)))
        return _perform(cases, asked, output)


def _cases(asked: Asked, everywhere: Globals) -> list[Case]:
    return _cases_of(asked, _config(asked, everywhere), everywhere.output)


def _cases_of(asked: Asked, config: Config | None, output: Output) -> list[Case]:
    return [_case(each, asked, output, config) for each in subjects(asked, config)]


def _perform(cases: list[Case], asked: Asked, output: Output) -> Examinations:
    # Whoever names no target gets a list, however long it is; people get the whole of one.
    is_list = asked.mx or (asked.target is None and (asked.form != "words" or len(cases) > 1))
    screen = _screen(asked, output, several=is_list)
    try:
        return _examine(cases, screen, is_list=is_list)
    finally:
        screen.close()


def _screen(asked: Asked, output: Output, *, several: bool) -> Screen:
    return screen_for(
        output, stdout=sys.stdout, stderr=sys.stderr, form=asked.form, several=several
    )


def _examine(cases: list[Case], screen: Screen, *, is_list: bool) -> Examinations:
    reports = _reports(cases, screen)
    several = together(tuple(reports))
    if is_list:
        screen.examinations(several)
    else:
        screen.report(reports[0])
    return several


def _reports(cases: list[Case], screen: Screen | None) -> list[Report]:
    reports: list[Report] = []
    for case in cases:
        if screen is None:
            reports.append(examine(case))
        else:
            screen.begin(case.target)
            reports.append(examine(case, screen.stage))
        if reports[-1].exit_code == ExitStatus.INTERRUPTED:
            signals.ignore()  # what is known must not be cut off while it is told
            break
    return reports


def _refused(error: NexomailerError, asked: Asked) -> Examinations:
    """Return why nothing could be examined."""
    status = None if isinstance(error, TransportError) else of_error(error)
    return together((), [refusal(error, asked.target or "", status)])


def _tell(several: Examinations, asked: Asked, output: Output) -> int:
    """Tell in the form that was asked for what came of it before there was anything to see."""
    _screen(asked, output, several=True).examinations(several)
    return several.exit_code


def _config(asked: Asked, everywhere: Globals) -> Config | None:
    """Return the configuration where the target may be in it, or is all of it."""
    from nexomailer_cli.config.file import find_config, load_config

    target = asked.target
    # Only a bare name can be a provider's; to read a file takes time.
    if target is not None and (asked.mx or ":" in target or "@" in target):
        return None
    has_url = bool(os.environ.get("NEXOMAILER_URL"))
    if target is not None and find_config(everywhere.config, os.environ) is None and not has_url:
        return None
    try:
        return load_config(everywhere.config, os.environ, warn=everywhere.output.warn)
    except ConfigError as error:
        # A host needs no configuration, and a mistake in one should not keep from looking.
        if target is None or "." not in target:
            raise
        everywhere.output.warn(f"the configuration is not used: {error.problems[0]}")
        return None


def _case(subject: Subject, asked: Asked, output: Output, config: Config | None) -> Case:
    auth = subject.provider.config.auth
    sender = _sender(subject, asked, config)
    wishes = Wishes(sender=sender or "")
    around = _around(output)
    secret_error = None
    try:
        terms = terms_for(subject.provider, wishes, around)
    except SecretError as error:
        secret_error = error
        terms = terms_without_secret(subject.provider, wishes, around)
    return Case(
        target=subject.target,
        terms=terms,
        wishes=_wishes(subject, asked, sender, output),
        trust=trust_of(subject.provider.config.tls, terms.tls),
        username=auth.user if auth else None,
        secret_error=secret_error,
        renewal=renewal_for(subject.provider, around),
        reasons=subject.reasons,
    )


def _wishes(
    subject: Subject, asked: Asked, sender: str | None, output: Output
) -> examination.Wishes:
    is_tried = asked.sender is not None or asked.recipient is not None
    return examination.Wishes(
        sender=(sender or "") if is_tried else None,
        recipient=asked.recipient,
        size=asked.size,
        timeout=asked.timeout,
        greeting_timeout=subject.provider.config.connection_timeout,
        insecure=asked.insecure,
        alternatives=asked.alternatives,
        strict=asked.strict,
        thorough=_is_thorough(asked, output),
        transcript=output.verbose,
    )


def _is_thorough(asked: Asked, output: Output) -> bool:
    """Whether somebody will see the details of a certificate that is in order."""
    is_watched = sys.stdout is not None and sys.stdout.isatty()
    return asked.form != "words" or output.verbose or is_watched


def _sender(subject: Subject, asked: Asked, config: Config | None) -> str | None:
    """Return the address that mail would come from: the one asked for, ours, the account's."""
    if asked.sender is not None:
        return asked.sender
    own = subject.provider.from_ or (config.defaults.from_ if config is not None else None)
    if own:
        from nexomailer_cli.message.address import parse_address

        return parse_address(own).spec
    auth = subject.provider.config.auth
    return auth.user if auth and "@" in auth.user else None


def _around(output: Output) -> Surroundings:
    from nexomailer_cli.config.secrets import terminal_prompt

    return Surroundings(env=os.environ, prompt=terminal_prompt(), warn=output.warn)
