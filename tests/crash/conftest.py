from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.scene import Scene, witness

# With it set, trials that are cut short in the check before every change go all the way.
IS_LONG = bool(os.environ.get("NEXOMAILER_PROVE"))
# How content is sent makes no difference to most of what can go wrong.
EITHER = pytest.mark.parametrize("scene", ["DATA", "BDAT"] if IS_LONG else ["DATA"], indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is in this folder needs tools that not everybody has."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.faults)
            item.add_marker(pytest.mark.timeout(3600 if IS_LONG else 240))


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """The tests are there to be run: where a tool is missing, they fail."""
    missing = [each for each in ("strace", "faketime") if shutil.which(each) is None]
    assert not missing, f"{missing} missing; tests/crash/install.sh installs them"


@pytest.fixture(params=["DATA", "BDAT"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A server of its own, in both manners of sending content."""
    log = tmp_path / "accepted.log"
    with witness(log, *["--chunking"] * (request.param == "BDAT")) as port:
        yield Scene(tmp_path, log, port)


@pytest.fixture
def case(scene: Scene) -> Callable[[str], Scene]:
    """Return a maker of further folders before the same server."""

    def make(name: str) -> Scene:
        folder = scene.folder / name
        folder.mkdir()
        return Scene(folder, scene.log, scene.port, domain=f"{name}.test")

    return make
