"""Runs whole processes and times them, in rounds, so that all share the machine's moods."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from contenders import Contender


@dataclass(frozen=True, slots=True)
class Run:
    """One process: seconds on the clock and of the CPU, and the most memory in MiB."""

    wall: float
    cpu: float
    memory: float


class Stopwatch:
    """Starts contenders, all with the same environment."""

    def __init__(
        self,
        environment: Mapping[str, str],
        complaints: Path,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self._environment = environment
        self._complaints = complaints
        self._prepare = prepare

    def run(self, contender: Contender) -> Run:
        """Time one process; end the bench if it fails, for a failure is quick."""
        self._prepare()
        started = time.perf_counter()
        process = os.posix_spawn(
            contender.command[0],
            contender.command,
            self._environment,
            file_actions=self._files(contender),
        )
        _, status, usage = os.wait4(process, 0)
        wall = time.perf_counter() - started
        if status:
            raise SystemExit(
                f"{contender.name}: exit status {os.waitstatus_to_exitcode(status)}\n"
                f"{' '.join(contender.command)}\n{self._complaints.read_text()}"
            )
        return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

    def rounds(self, contenders: Sequence[Contender], count: int) -> dict[str, list[Run]]:
        """Run every contender once per round; a first round warms the caches and is forgotten.

        Every other round goes backwards: nobody always runs behind the same neighbour.
        """
        runs: dict[str, list[Run]] = {each.name: [] for each in contenders}
        for number in range(count + 1):
            for each in contenders if number % 2 else reversed(contenders):
                run = self.run(each)
                if number:
                    runs[each.name].append(run)
        return runs

    def _files(self, contender: Contender) -> list[tuple[int, int, str, int, int]]:
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        return [
            (os.POSIX_SPAWN_OPEN, 0, str(contender.stdin or os.devnull), os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, str(self._complaints), write, 0o600),
        ]
