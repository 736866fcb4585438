"""What holds for every test: no secret of it is seen again."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.support import secrecy

# A machine that others use too is slow at times, which says nothing about the code; what must
# be quick is measured in bench/.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# What a shell starts in the background begins with SIGINT ignored, and so would whatever it
# starts: the commands that are interrupted here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _secrets() -> Iterator[None]:
    """Every test has secrets of its own."""
    secrecy.KEPT.forget()
    yield
    secrecy.KEPT.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Search what was logged and printed, by whichever library."""
    report = yield
    if report.when == "call" and report.passed:
        for name, text in report.sections:
            if found := secrecy.KEPT.found_in(text.encode()):
                report.outcome, report.longrepr = "failed", f"{name} shows {found}"
    return report
