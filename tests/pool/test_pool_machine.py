"""Any number of sessions, any order of events, in a time of its own: every mail comes back truly.

The pool, its lanes and the pipelines are real; the wire, its opening and the loop's clock
are stand-ins, so that Hypothesis says what happens next, and can say it again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nexomailer_cli.errors import TransportError
from nexomailer_cli.pool import pool as pool_module
from nexomailer_cli.pool.desk import PoolLimits
from nexomailer_cli.pool.pool import Pool
from nexomailer_cli.smtp.envelope import Mail
from nexomailer_cli.smtp.extensions import Extensions
from nexomailer_cli.smtp.failure import Failure
from nexomailer_cli.smtp.outcome import Attempt, Outcome, Phase, Verdict
from nexomailer_cli.transport.terms import Session
from tests.support.account import account, mail
from tests.support.receiver import ANSWERS, BYE, GOOD, Receiver

MAILS, CONNECTIONS, MAX_BACK = 6, 3, 4
SHAPES = [(False, False), (True, False), (True, True), (False, True)]


class StillLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes only when it is told."""

    now = 0.0

    def time(self) -> float:
        return self.now


class Wire(asyncio.Transport):
    """A connection to a receiver: what is written is heard at once, or not any more."""

    def __init__(self, receiver: Receiver) -> None:
        super().__init__()
        self.receiver = receiver
        self.protocol: asyncio.BaseProtocol | None = None
        self._is_closing = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing ever waits here."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def write(self, data: Any) -> None:
        if not self._is_closing:
            self.receiver.hear(bytes(data))

    def abort(self) -> None:
        if not self._is_closing:
            self.lose(None)

    close = abort

    def lose(self, error: Exception | None, *, is_heard_out: bool = False) -> None:
        """Let the connection be gone; the server may still do all that it was asked."""
        self._is_closing = True
        while is_heard_out and self.receiver.questions:
            self.receiver.decide(GOOD)
        self.receiver.questions.clear()
        assert isinstance(self.protocol, asyncio.Protocol)
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, error)

    def tell(self, length: int) -> None:
        """Let the client hear some of what the server has said."""
        receiver, protocol = self.receiver, self.protocol
        assert isinstance(protocol, asyncio.Protocol)
        data, receiver.out = bytes(receiver.out[:length]), receiver.out[length:]
        protocol.data_received(data)


class Office(RuleBasedStateMachine):
    """A desk, a pool, and a server with several connections."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = StillLoop()
        self.patch = pytest.MonkeyPatch()
        self.delivered: Counter[str] = Counter()
        self.wires: list[Wire] = []
        self.knocking: list[asyncio.Future[bool]] = []
        self.todo = [mail(f"r{n}@b.test") for n in range(MAILS)]
        self.out: list[Mail] = []
        self.back: Counter[str] = Counter()
        self.verdicts: dict[str, Verdict] = {}
        self.asked: list[tuple[Mail, Callable[[], None]]] = []
        self.intended: set[str] = set()
        self.surprises: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _loop, context: self.surprises.append(context))

    @initialize(shape=st.sampled_from(SHAPES), messages=st.integers(1, 4))
    def begin(self, shape: tuple[bool, bool], messages: int) -> None:
        self.extensions = Extensions(pipelining=shape[0], chunking=shape[1])
        self.patch.setattr(pool_module, "Opening", self._opening)
        limits = PoolLimits(connections=CONNECTIONS, messages=messages)
        self.pool = Pool(account(1), self, limits)
        self._turn(self.pool.wake)

    # --- what the pool asks of a desk ----------------------------------------------------------

    def take(self, _provider: str) -> Mail | None:
        if not self.todo:
            return None
        self.out.append(self.todo.pop(0))
        return self.out[-1]

    def intend(self, mail: Mail, go: Callable[[], None]) -> None:
        assert any(each is mail for each in self.out)
        self.asked.append((mail, go))

    def settle(self, mail: Mail, outcome: Outcome) -> None:
        self._take_back(mail)
        [told] = outcome.dispositions
        assert told.recipient not in self.verdicts
        self.verdicts[told.recipient] = told.verdict

    def put_back(self, mail: Mail, _attempt: Attempt, _failure: Failure) -> None:
        self._take_back(mail)
        [name] = mail.envelope.recipients
        self.back[name] += 1
        assert not self.delivered[name], "it was delivered, and is to be sent again"
        if self.back[name] < MAX_BACK:
            self.todo.append(mail)

    def _take_back(self, mail: Mail) -> None:
        [index] = [number for number, each in enumerate(self.out) if each is mail]
        del self.out[index]
        self.asked = [each for each in self.asked if each[0] is not mail]
        self.intended.discard(mail.envelope.recipients[0])

    # --- what happens --------------------------------------------------------------------------

    def _opening(self, *_: object) -> Any:
        machine = self

        class Opening:
            tls_version = ""

            async def open(self, *, in_thread: bool) -> tuple[Any, Session]:
                knock = asyncio.get_running_loop().create_future()
                machine.knocking.append(knock)
                if not await knock:
                    raise TransportError("refused", phase=Phase.CONNECT, reason="ECONNREFUSED")
                machine.wires.append(Wire(Receiver(machine.delivered)))
                return machine.wires[-1], Session(machine.extensions, "")

        return Opening()

    def _turn(self, work: Callable[[], object] = lambda: None) -> None:
        """Do something within the loop, and let it come to rest."""

        async def turning() -> None:
            work()
            for _ in range(12):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turning())

    @property
    def _open(self) -> list[Wire]:
        return [each for each in self.wires if not each.is_closing()]

    @precondition(lambda self: any(not each.done() for each in self.knocking))
    @rule(is_let_in=st.sampled_from([True, True, True, False]))
    def open_the_door(self, is_let_in: bool) -> None:
        knock = next(each for each in self.knocking if not each.done())
        self._turn(lambda: knock.set_result(is_let_in))

    @precondition(lambda self: self.asked)
    @rule(is_all=st.booleans())
    def record(self, is_all: bool) -> None:
        """The journal has it: the ends may go."""
        going, self.asked = (self.asked, []) if is_all else (self.asked[:1], self.asked[1:])
        self.intended.update(each.envelope.recipients[0] for each, _ in going)
        self._turn(lambda: [go() for _, go in going])

    @precondition(lambda self: self._open)
    @rule(
        which=st.integers(0, CONNECTIONS - 1),
        answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=5),
        pieces=st.lists(st.integers(1, 99), min_size=1, max_size=5),
    )
    def talk(self, which: int, answers: list[str], pieces: list[int]) -> None:
        wire = self._open[which % len(self._open)]
        for answer in answers:
            if wire.receiver.questions and not wire.receiver.is_over:
                wire.receiver.decide(answer)
        for length in pieces:
            if wire.receiver.out and not wire.is_closing():
                self._turn(lambda length=length: wire.tell(length))  # type: ignore[misc]
        if BYE in answers and wire.receiver.is_over and not wire.is_closing():
            self._turn(lambda: wire.lose(None))

    @precondition(lambda self: self._open)
    @rule(which=st.integers(0, CONNECTIONS - 1), is_reset=st.booleans(), is_late=st.booleans())
    def cut(self, which: int, is_reset: bool, is_late: bool) -> None:
        error = ConnectionResetError() if is_reset else None
        wire = self._open[which % len(self._open)]
        self._turn(lambda: wire.lose(error, is_heard_out=is_late))

    @rule(rounds=st.integers(1, 8), is_recorded=st.booleans())
    def let_all_go_well(self, rounds: int, is_recorded: bool) -> None:
        """For a while; where it stands then is where the other rules go on."""
        for _ in range(rounds):
            for knock in self.knocking:
                if not knock.done():
                    self._turn(lambda knock=knock: knock.set_result(True))  # type: ignore[misc]
            if is_recorded and self.asked:
                self.record(is_all=True)
            for wire in self._open:
                if wire.receiver.questions:
                    wire.receiver.decide(GOOD)
                if wire.receiver.out and not wire.is_closing():
                    self._turn(lambda wire=wire: wire.tell(999))  # type: ignore[misc]

    @rule(seconds=st.sampled_from([0.2, 3.0, 40.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.loop.now += seconds
        self._turn(self.pool.wake)

    @invariant()
    def nobody_gets_it_unrecorded_or_twice(self) -> None:
        assert not self.surprises
        for name, count in self.delivered.items():
            assert count == 1
            assert name in self.intended or name in self.verdicts

    @invariant()
    def what_is_told_is_so(self) -> None:
        for name, verdict in self.verdicts.items():
            if verdict is not Verdict.UNKNOWN:
                assert self.delivered[name] == (verdict is Verdict.ACCEPTED), (name, verdict)

    def teardown(self) -> None:
        if hasattr(self, "pool"):
            parting = self.loop.create_task(self.pool.aclose(drain=False))
            for _ in range(20):
                self._turn()
            assert not self.surprises
            assert parting.done()
            assert not self.out
            self.what_is_told_is_so()
        self.patch.undo()
        self.loop.close()


Office.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestAPoolAndItsServer = Office.TestCase
