"""A list of people, the command that mails them, and what is held against what afterwards.

The one place that knows what a run must not do, whatever happens to it: `Scene.faults`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nexomailer_cli.bulk.state import State

ROOT = Path(__file__).parents[2]
SETTLED = frozenset({State.ACCEPTED, State.UNKNOWN})
# A row in one of these is not sent again unless somebody asks for it.
KEPT = SETTLED | {State.SENDING}
KILLED = -signal.SIGKILL
_NAMED = re.compile(r"^row ([0-9]+), ", re.MULTILINE)


@dataclass(frozen=True)
class Ended:
    """What a command left behind. `status` is negative after a signal."""

    status: int
    told: str
    stdout: str = ""

    @property
    def named(self) -> frozenset[int]:
        """The rows that were named as unknown."""
        return frozenset(map(int, _NAMED.findall(self.told)))


@dataclass
class Scene:
    """A folder with `people.csv` and, once it has run, a journal.

    `log` is what the server on `port` writes, perhaps for others as well: people of
    different scenes have different domains.
    """

    folder: Path
    log: Path
    port: int
    connections: int = 1
    domain: str = "b.test"
    query: str = ""  # of the provider's URL
    arguments: Sequence[str] = ("--subject", "Hi {{ name }}", "--text", "Hello {{ name }}")
    rows: int = 0
    unknown_after: list[int] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        return self.folder / "people.csv.journal"

    def begin(self, rows: int) -> None:
        """Write a new list; there is no journal."""
        for suffix in ("", "-wal", "-shm"):
            self.journal.with_name(self.journal.name + suffix).unlink(missing_ok=True)
        self.rows = rows
        people = "".join(f"r{n}@{self.domain},Name {n}\n" for n in range(1, rows + 1))
        (self.folder / "people.csv").write_text(f"email,name\n{people}")

    def command(self, *more: str) -> list[str]:
        """Return the command that sends, or goes on sending."""
        return [
            *(sys.executable, "-m", "nexomailer_cli", "bulk", "people.csv", "--yes"),
            *("--from", "a@a.test", "--connections", str(self.connections)),
            *self.arguments,
            *more,
        ]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return what the command needs around it."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        ours = {
            "NEXOMAILER_URL": f"smtp://127.0.0.1:{self.port}{self.query}",
            "PYTHONPATH": str(ROOT),
            "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), "nexomailer-compiled")),
        }
        return {**kept, **ours, **(more or {})}

    def run(
        self,
        *more: str,
        under: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Ended:
        """Run the command to its end, perhaps under another one that does something to it."""
        done = subprocess.run(
            [*under, *self.command(*more)],
            cwd=self.folder,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        status = KILLED if done.returncode == 128 + signal.SIGKILL else done.returncode
        return Ended(status, done.stderr.decode("utf-8", "replace"), done.stdout.decode())

    @contextlib.contextmanager
    def started(self, *more: str, under: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
        """Start the command; kill it at the end if it still runs."""
        with subprocess.Popen(
            [*under, *self.command(*more)],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def states(self) -> dict[int, tuple[str, State]]:
        """Return key and state of every row, as the journal has them now.

        Looks at a copy: to open a journal that was left in the middle of something mends it,
        and that is for the next run to do.
        """
        with tempfile.TemporaryDirectory() as folder:
            for file in self.folder.glob(f"{self.journal.name}*"):
                shutil.copy(file, folder)
            return states_in(Path(folder, self.journal.name))

    def counts(self) -> Counter[State]:
        """Return how many rows stand where."""
        return Counter(state for _, state in self.states().values())

    def unknown(self) -> frozenset[int]:
        """Return the rows of which nobody knows."""
        return frozenset(n for n, (_, state) in self.states().items() if state is State.UNKNOWN)

    def delivered(self) -> tuple[Counter[str], Counter[str]]:
        """Return how often each Message-ID and each address was accepted by the server."""
        lines = [line.split() for line in self.log.read_text().split("\n")[:-1]]
        ours = [(identity, who) for identity, who in lines if who.endswith(f"@{self.domain}")]
        return Counter(identity for identity, _ in ours), Counter(who for _, who in ours)

    def after(self, ended: Ended, before: frozenset[int]) -> list[str]:
        """Return what is wrong after one run, in which these rows were unknown already."""
        faults = list(self.faults(is_complete=False))
        fresh = self.unknown() - before
        if fresh:
            self.unknown_after.append(len(fresh))
        if len(fresh) > self.connections:
            faults.append(f"{len(fresh)} unknown rows with {self.connections} connections")
        if ended.status != KILLED and not fresh <= ended.named:
            faults.append(f"unknown rows nobody was told of: {sorted(fresh - ended.named)}")
        if "Traceback" in ended.told or "This is a bug" in ended.told or ended.status == 70:
            faults.append(f"a bug: {ended.told[-2000:]}")
        return faults

    def faults(self, *, is_complete: bool) -> Iterator[str]:
        """Yield what is not as promised; a complete run has settled every row."""
        identities, delivered = self.delivered()
        rows = dict(self.states().values())
        for name, count in (identities | delivered).items():
            if count > 1:
                yield f"{name} was accepted {count} times"
        yield from untrue(rows, delivered)
        if not is_complete:
            return
        for key, state in rows.items():
            if state not in SETTLED:
                yield f"{key} was forgotten ({state.word})"
        if len(rows) != self.rows:
            yield f"the journal has {len(rows)} rows of {self.rows}"


def untrue(rows: Mapping[str, State], delivered: Mapping[str, int]) -> Iterator[str]:
    """Yield what a journal says that is not so, of those it has and those it should have."""
    for key, state in rows.items():
        if state is State.ACCEPTED and not delivered.get(key):
            yield f"{key} is called accepted and was not"
        if delivered.get(key) and state not in KEPT:
            yield f"{key} was accepted, and would be sent again ({state.word})"
    if strangers := delivered.keys() - rows.keys():
        yield f"accepted, and not in the journal: {sorted(strangers)[:5]}"


def states_in(journal: Path) -> dict[int, tuple[str, State]]:
    """Return key and state of every row of a journal that nobody uses."""
    if not journal.exists():
        return {}
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        try:
            found = connection.execute("SELECT number, key, state FROM rows").fetchall()
        except sqlite3.OperationalError:
            return {}  # killed before there was a table
    return {number: (key, State(state)) for number, key, state in found}


@contextlib.contextmanager
def witness(log: Path, *options: str) -> Iterator[int]:
    """Run the server in a process of its own; give its port."""
    with witness_process(log, *options) as (_, port):
        yield port


@contextlib.contextmanager
def witness_process(log: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the server in a process of its own; give that and the port."""
    log.touch()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.witness", str(log), *options],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield server, int(server.stdout.readline())
        finally:
            server.kill()
