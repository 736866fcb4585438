"""One provider's sessions: opens as many as there is work for, and parts from them in time.

The desk decides what is sent and when; this file conducts sessions. A connection is opened
with a mail in hand, so no connection is opened for nothing, and a refused one has a mail
to tell the desk with. There are never more of them being opened than are open, so a wrong
password is tried once and a server that is out of order is not run down.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.pool.desk import Desk, PoolLimits, PoolState
from nexomailer_cli.pool.joining import Joining
from nexomailer_cli.pool.lane import Lane
from nexomailer_cli.pool.opening import Opening
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport.account import Account, locks_out
from nexomailer_cli.transport.base import Observer, unobserved

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.transport.terms import Session

# How long a server that refused one more connection is left in peace with those it has.
CONTENT_SECONDS = 60.0
# Between two tries to open the only connection: doubled each time, until one is of use.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 30.0
_LOST = TransportError("the session was lost", phase=Phase.MAIL, reason="closed")


class Pool:
    """Works off the mails that a desk has for one provider."""

    def __init__(
        self, account: Account, desk: Desk, limits: PoolLimits, observer: Observer = unobserved
    ) -> None:
        self.account = account
        self.desk = desk
        self.limits = limits
        self.joining = Joining(is_allowed=limits.joined == "auto")
        self._observer = observer
        self._lanes: set[Lane] = set()
        self._idle: set[Lane] = set()
        self._waiting: deque[Mail] = deque()  # drawn, and not yet with a lane
        self._tasks: set[asyncio.Task[None]] = set()
        self._openings: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._sent = 0  # by lanes that are no more
        self._ceiling = limits.connections
        self._content_until = 0.0
        self._off: TransportError | None = None
        self._failures = 0  # connections in a row that were of no use
        self._pause: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._is_growing = False
        self._is_asked_for_terms = False

    @property
    def state(self) -> PoolState:
        """What is going on."""
        return PoolState(
            busy=len(self._lanes) - len(self._idle),
            idle=len(self._idle),
            opening=len(self._openings),
            sent=self._sent + sum(lane.served for lane in self._lanes),
            joined=self.joining.is_taken,
            is_off=self._off is not None,
        )

    async def start(self) -> None:
        """Begin to ask the desk for mail."""
        self.wake()

    def wake(self) -> None:
        """Ask the desk for mail, with every connection that has nothing to do."""
        while self._idle:
            lane = self._idle.pop()
            lane.pull()
            if lane in self._idle:
                return  # there is nothing for the others either
        self._grow()
        self._decline()

    async def aclose(self, *, drain: bool) -> None:
        """Part from the server.

        With `drain` the mails that are on their way are seen to their end. Without, they are put
        back, or unknown where their end had gone out. May be called again while it waits.
        """
        self._is_stopping = True
        self._end_pause()
        for opening in self._openings:
            opening.cancel()
        self._put_back(TransportError("the run was stopped", phase=Phase.MAIL, reason="stopped"))
        for lane in tuple(self._idle) if drain else tuple(self._lanes):
            lane.stop() if drain else lane.cut()
        while self._tasks or self._lanes:
            self._changed.clear()
            await self._changed.wait()

    # --- what lanes ask for ----------------------------------------------------------------------

    def draw(self) -> Mail | None:
        """Return the next mail, and see to it that there are enough lanes for more."""
        if self._is_stopping:
            return None
        if self._waiting:
            return self._waiting.popleft()
        mail = self.desk.take(self.account.name)
        if mail is not None and not self._is_growing and self._has_room:
            self._is_growing = True
            asyncio.get_running_loop().call_soon(self._grow)
        return mail

    def heal(self, mail: Mail) -> None:
        """Take a mail that a stale connection did not move."""
        self._waiting.appendleft(mail)

    def shut_out(self, error: TransportError) -> None:
        """Open no more connections in this run."""
        self._off = error

    def rest(self, lane: Lane) -> None:
        """Keep a lane for the next mail."""
        if self._is_stopping:
            lane.stop()
        else:
            self._idle.add(lane)

    def retire(self, lane: Lane) -> None:
        """Part from a lane."""
        self._idle.discard(lane)
        self._start(self._part(lane))

    async def _part(self, lane: Lane) -> None:
        await lane.aclose()
        self._lanes.discard(lane)
        self._sent += lane.served
        if lane.served > 0:
            self._failures = 0
        elif lane.has_failed:
            self._be_content()  # as good as a refused connection
        self._grow()
        self._decline()

    # --- opening ---------------------------------------------------------------------------------

    @property
    def _has_room(self) -> bool:
        lanes, openings = len(self._lanes), len(self._openings)
        return (
            lanes + openings < self._ceiling
            and openings < max(1, lanes)
            and self._pause is None
            and self._off is None
            and not self._is_stopping
        )

    def _grow(self) -> None:
        """Open connections, one for each mail that no lane is free for."""
        self._is_growing = False
        if self._ceiling < self.limits.connections and self._now() > self._content_until:
            self._ceiling = self.limits.connections
        while self._has_room and not self._idle:
            if len(self._openings) >= len(self._waiting):
                mail = self.desk.take(self.account.name)
                if mail is None:
                    break
                self._waiting.append(mail)
            opening = self._start(self._open())
            self._openings.add(opening)
            opening.add_done_callback(self._openings.discard)
        self._serve(_LOST)

    def _serve(self, error: TransportError, tls_version: str = "", elapsed: float = 0.0) -> None:
        """Give waiting mails to lanes that have nothing to do; where there are none, give up."""
        while self._waiting and self._idle:
            self._idle.pop().pull()
        if not (self._lanes or self._openings):
            self._put_back(self._off or error, tls_version, elapsed)

    def _decline(self) -> None:
        """Tell a desk that asks for mail to be sent what keeps it from that."""
        if self._off is None or self._is_stopping or self._lanes or self._openings:
            return
        mail = self.desk.take(self.account.name)
        if mail is not None:
            self._waiting.append(mail)
            self._put_back(self._off)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()

    async def _open(self) -> None:
        tls_version = ""
        began = self._now()
        try:
            opening = Opening(self.account, self._observer)
            try:
                wire, session = await opening.open(in_thread=self._must_not_wait())
            finally:
                tls_version = opening.tls_version
        except TransportError as error:
            self._forget_opening()
            self._refused(error, tls_version, self._now() - began)
        else:
            self._forget_opening()
            self._welcome(wire, session)

    def _forget_opening(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._openings.discard(task)

    def _must_not_wait(self) -> bool:
        """Whether terms are looked up in a thread: always but the first time, to ask a person."""
        is_first, self._is_asked_for_terms = not self._is_asked_for_terms, True
        return self.account.is_renewed and not is_first

    def _welcome(self, wire: asyncio.Transport, session: Session) -> None:
        lane = Lane(wire, session, self, self._observer)
        self._lanes.add(lane)
        lane.pull()
        self._grow()

    def _refused(self, error: TransportError, tls_version: str, elapsed: float) -> None:
        if locks_out(error, self.account.failure_of(error)):
            self._off = error
        self._be_content()
        self._serve(error, tls_version, elapsed)

    def _be_content(self) -> None:
        """Open no more connections for a while: the next one would fare no better."""
        if self._lanes:
            self._ceiling = len(self._lanes)
            self._content_until = self._now() + CONTENT_SECONDS
        elif self._pause is None and not self._is_stopping:
            seconds = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
            self._failures += 1
            self._pause = asyncio.get_running_loop().call_later(seconds, self._end_pause)

    def _end_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._grow()

    def _put_back(self, error: TransportError, tls_version: str = "", elapsed: float = 0.0) -> None:
        failure = self.account.failure_of(error)
        mails = tuple(self._waiting)
        self._waiting.clear()
        for mail in mails:
            lost = self.account.broken(mail, error)
            attempt = self.account.attempt(lost, tls=tls_version, elapsed=elapsed, error=error)
            self.desk.put_back(mail, attempt, failure)
