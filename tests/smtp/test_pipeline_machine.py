"""Whatever is said in whatever pieces, and wherever it is cut: the pipeline knows what is so."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.smtp.envelope import Envelope, Mail
from nexomailer_cli.smtp.extensions import Extensions
from nexomailer_cli.smtp.outcome import Verdict
from nexomailer_cli.smtp.pipeline import Pipeline
from nexomailer_cli.smtp.transaction import Transaction
from tests.support.receiver import ANSWERS, Receiver

SHAPES = [(False, False), (True, False), (True, True), (False, True)]
SMALL = b"Subject: x\r\n\r\n.body\r\n"
LARGE = SMALL + b"y" * 70 + b"\r\n" + b"x\r\n" * 50_000


class Conversation(RuleBasedStateMachine):
    """One session: a pipeline, a server that keeps to the rules, and a wire that need not last."""

    def __init__(self) -> None:
        super().__init__()
        self.delivered: Counter[str] = Counter()
        self.server = Receiver(self.delivered)
        self.transactions: list[Transaction] = []
        self.released: set[str] = set()
        self.is_cut = False

    @initialize(shape=st.sampled_from(SHAPES))
    def begin(self, shape: tuple[bool, bool]) -> None:
        self.pipeline = Pipeline(Extensions(pipelining=shape[0], chunking=shape[1]))

    def _mail(self, count: int, content: bytes) -> Mail:
        number = len(self.transactions)
        people = tuple(f"m{number}r{index}@b.test" for index in range(count))
        return Mail(Envelope("s@a.test", people), content)

    @property
    def _is_idle(self) -> bool:
        return (
            not self.is_cut
            and self.pipeline.is_reusable
            and all(each.is_done for each in self.transactions)
            and self.pipeline.awaiting is None
        )

    @precondition(lambda self: self._is_idle)
    @rule(
        count=st.integers(1, 3), content=st.sampled_from([SMALL, SMALL, LARGE]), hold=st.booleans()
    )
    def submit(self, count: int, content: bytes, hold: bool) -> None:
        mail = self._mail(count, content)
        if not hold:
            self.released.update(mail.envelope.recipients)
        self.transactions.append(self.pipeline.submit(mail, hold=hold))

    @precondition(lambda self: not self.is_cut and self.pipeline.is_held_back)
    @rule()
    def release(self) -> None:
        current = next(each for each in self.transactions if not each.is_done)
        self.released.update(current.mail.envelope.recipients)
        self.pipeline.release()

    @precondition(lambda self: not self.is_cut and self.pipeline.is_joinable)
    @rule(count=st.integers(1, 2), with_mail=st.booleans())
    def join(self, count: int, with_mail: bool) -> None:
        if self.pipeline.is_held_back:
            self.release()
        if with_mail:
            self.transactions.append(self.pipeline.join(self._mail(count, SMALL)))
        elif self.pipeline.may_join:
            self.pipeline.join_reset()

    @precondition(lambda self: not self.is_cut)
    @rule(
        writes=st.integers(0, 9),
        answers=st.lists(st.sampled_from(ANSWERS), max_size=6),
        pieces=st.lists(st.integers(1, 90), max_size=6),
    )
    def talk(self, writes: int, answers: list[str], pieces: list[int]) -> None:
        """Some of what may be written is, some questions are answered, some of that is heard."""
        for _ in range(writes):
            if (write := self.pipeline.next_write()) is not None:
                self.server.hear(bytes(write.data))
        for answer in answers:
            if self.server.questions and not self.server.is_over:
                self.server.decide(answer)
        for length in pieces:
            self._hear(length)

    def _hear(self, length: int) -> None:
        data, self.server.out = bytes(self.server.out[:length]), self.server.out[length:]
        try:
            self.pipeline.receive(data)
        except ProtocolError:
            raise AssertionError("a server that keeps to the rules is never out of step") from None

    @precondition(lambda self: self.transactions)
    @rule(chance=st.integers(0, 9))
    def cut(self, chance: int) -> None:
        self.is_cut = self.is_cut or chance == 0

    @invariant()
    def nobody_gets_it_before_that_is_released(self) -> None:
        assert self.delivered.keys() <= self.released

    @invariant()
    def what_is_known_is_so(self) -> None:
        for transaction in self.transactions:
            for each in transaction.dispositions():
                count = self.delivered[each.recipient]
                assert count <= 1
                if count:
                    assert transaction.is_past_return
                if each.verdict is Verdict.ACCEPTED:
                    assert count == 1
                elif each.verdict is not Verdict.UNKNOWN:
                    assert count == 0


Conversation.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestAPipelineAndAServer = Conversation.TestCase
