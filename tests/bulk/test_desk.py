"""Every row ends exactly once, whatever the providers do. In a time of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from nexomailer_cli.bulk.events import Settled, Stopping, Troubled
from nexomailer_cli.bulk.job import Job
from nexomailer_cli.bulk.state import Entry, State
from nexomailer_cli.bulk.tally import Bounds
from nexomailer_cli.errors import MessageError
from nexomailer_cli.smtp.envelope import Mail
from nexomailer_cli.smtp.failure import Failure, Scope
from nexomailer_cli.smtp.outcome import Attempt, Disposition, Phase, Verdict
from nexomailer_cli.smtp.reply import Reply
from tests.bulk.office import Answer, Office, rows, write

OK = Reply(250, "2.0.0", ("Ok",))
NOBODY = Reply(550, "5.1.1", ("user unknown",))
GREYLISTED = Reply(451, "4.7.1", ("greylisted",))


def all_are(office: Office, state: State) -> bool:
    return set(office.states.values()) == {state}


def test_every_row_is_sent_once(tmp_path: Path) -> None:
    office = Office(tmp_path, 1200)
    office.run()
    assert all_are(office, State.ACCEPTED)
    assert set(office.pool.sent.values()) == {1}
    assert office.desk.tally.rows[State.ACCEPTED] == 1200


def test_a_refused_row_is_not_tried_again(tmp_path: Path) -> None:
    office = Office(tmp_path, 3)
    office.pool.answer = lambda address, _: NOBODY if address == "r2@b.test" else OK
    office.run()
    assert office.states[2] is State.REJECTED
    assert office.pool.tries["r2@b.test"] == 1
    record = list(office.journal.records())[1]
    assert (record.code, record.enhanced, record.text, record.tries) == (
        550,
        "5.1.1",
        "user unknown",
        1,
    )


def test_greylisted_rows_wait_five_minutes_while_others_go_on(tmp_path: Path) -> None:
    office = Office(tmp_path, 10)
    office.pool.answer = lambda address, tries: GREYLISTED if tries == 1 and "1" in address else OK
    office.run()
    assert all_are(office, State.ACCEPTED)
    assert 300 <= office.seconds <= 400
    assert sum(moment < office.pool.moments[0] + 5 for moment in office.pool.moments) == 10


def test_a_row_that_stays_deferred_is_given_up_for_this_run(tmp_path: Path) -> None:
    office = Office(tmp_path, 2, retry_for=3600)
    office.pool.answer = lambda _address, _tries: GREYLISTED
    office.run()
    assert all_are(office, State.DEFERRED)
    assert office.seconds < 3700
    assert office.desk.tally.rows == Counter({State.DEFERRED: 2})
    assert office.pool.tries["r1@b.test"] >= 3


def test_an_unknown_row_is_never_sent_again(tmp_path: Path) -> None:
    office = Office(tmp_path, 3)
    office.pool.answer = lambda address, _: "closed" if address == "r1@b.test" else OK
    office.run()
    assert office.states == {1: State.UNKNOWN, 2: State.ACCEPTED, 3: State.ACCEPTED}
    assert office.pool.tries["r1@b.test"] == 1


def test_a_lost_session_costs_the_row_nothing_three_times(tmp_path: Path) -> None:
    office = Office(tmp_path, 2)

    def answer(address: str, tries: int) -> Answer:
        return Scope.SESSION if address == "r1@b.test" and tries <= 3 else OK

    office.pool.answer = answer
    office.run()
    assert all_are(office, State.ACCEPTED)
    assert office.seconds < 5


def test_the_fourth_lost_session_puts_the_row_off(tmp_path: Path) -> None:
    office = Office(tmp_path, 1, retry_for=0)
    office.pool.answer = lambda _address, _tries: Scope.SESSION
    office.run()
    assert all_are(office, State.DEFERRED)
    assert office.pool.tries["r1@b.test"] == 4


def test_a_row_that_loses_one_session_after_the_other_goes_to_the_next_provider(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path, 20, providers=("main", "backup"))
    office.pools["main"].answer = lambda _address, _tries: Scope.SESSION
    office.run()
    assert all_are(office, State.ACCEPTED)
    assert sum(office.pools["backup"].sent.values()) == 20
    # Who does that to three rows is left alone.
    assert len(office.pools["main"].tries) <= 6


def test_the_next_provider_serves_while_the_first_is_down(tmp_path: Path) -> None:
    office = Office(tmp_path, 50, providers=("main", "backup"))
    office.pools["main"].answer = lambda _address, _tries: Scope.PROVIDER
    office.run()
    assert all_are(office, State.ACCEPTED)
    assert sum(office.pools["backup"].sent.values()) == 50
    # Three failures in a row open the breaker; those already begun may still fail.
    assert sum(office.pools["main"].tries.values()) <= 6
    assert office.seconds < 30


def test_the_first_provider_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    office = Office(tmp_path, 2000, providers=("main", "backup"))
    main = office.pools["main"]

    def answer(_address: str, _tries: int) -> Answer:
        return Scope.PROVIDER if office.seconds < 20 else OK

    main.answer = answer
    office.run()
    assert all_are(office, State.ACCEPTED)
    assert sum(main.sent.values()) > 300
    assert sum(main.sent.values()) + sum(office.pools["backup"].sent.values()) == 2000


def test_a_used_up_quota_spills_to_the_next_provider(tmp_path: Path) -> None:
    office = Office(tmp_path, 60, providers=("main", "backup"))
    main = office.pools["main"]
    main.answer = lambda _address, _tries: OK if main.sent.total() < 20 else Scope.QUOTA
    office.run()
    assert all_are(office, State.ACCEPTED)
    assert main.sent.total() == 20
    assert office.pools["backup"].sent.total() == 40


def test_a_provider_that_complains_gets_half_as_much(tmp_path: Path) -> None:
    office = Office(tmp_path, 600)
    pool = office.pool

    def answer(_address: str, _tries: int) -> Answer:
        latest = sum(moment > office.time.now - 1 for moment in pool.moments)
        return Scope.RATE if latest > 20 else OK

    pool.answer = answer
    office.run()
    assert all_are(office, State.ACCEPTED)
    complaints = pool.tries.total() - 600
    assert 0 < complaints < 60


@pytest.mark.parametrize("rates", ["10/s", "10/s, 100/m", "50/m"])
def test_rates_hold_in_every_stretch_of_time(rates: str, tmp_path: Path) -> None:
    office = Office(tmp_path, 230, rates=rates)
    office.run()
    assert all_are(office, State.ACCEPTED)
    for window in office.line_up.gates["main"].windows:
        limit, period = window.rate.limit, window.rate.period
        moments = office.pool.moments
        for first, last in zip(moments, moments[limit:], strict=False):
            assert last - first >= period
    slowest = max(230 / w.rate.limit * w.rate.period for w in office.line_up.gates["main"].windows)
    assert office.seconds <= slowest * 1.1 + 1


def test_what_a_rate_has_taken_is_remembered_by_the_journal(tmp_path: Path) -> None:
    office = Office(tmp_path, 7, rates="5/h")
    office.run()
    assert office.seconds >= 3600
    kept = office.journal.spent("main", 3600.0, 0)
    assert sum(count for _, count in kept) >= 7


def test_nobody_waits_for_a_rate_when_there_is_nothing_left_to_send(tmp_path: Path) -> None:
    office = Office(tmp_path, 10, rates="10/h")
    office.run()
    assert all_are(office, State.ACCEPTED)
    assert office.seconds < 60


def test_without_any_provider_the_run_ends_and_nothing_is_lost(tmp_path: Path) -> None:
    office = Office(tmp_path, 5, patience=600)
    office.pool.answer = lambda _address, _tries: Scope.PROVIDER
    office.run()
    assert set(office.states.values()) <= {State.WAITING, State.DEFERRED}
    assert office.desk.stop_reason == "no provider can be used"
    assert office.seconds <= 900
    assert any(isinstance(event, Troubled) for event in office.events)


def test_a_run_that_goes_wrong_is_stopped(tmp_path: Path) -> None:
    office = Office(tmp_path, 100, bounds=Bounds(rows=5))
    office.pool.answer = lambda _address, _tries: NOBODY
    office.run()
    counts = Counter(office.states.values())
    assert 5 <= counts[State.REJECTED] <= 5 + office.pool.connections
    assert any(isinstance(event, Stopping) for event in office.events)


def test_a_share_of_errors_counts_when_there_are_enough_rows(tmp_path: Path) -> None:
    office = Office(tmp_path, 400, bounds=Bounds(share=0.1))
    office.pool.answer = lambda address, _: (
        NOBODY if int(address[1:].split("@")[0]) % 5 == 0 else OK
    )
    office.run()
    assert 100 <= office.desk.tally.rows.total() <= 110


def test_after_a_stop_the_same_rows_go_on(tmp_path: Path) -> None:
    first = Office(tmp_path, 100)
    first.time.at(first.time.now + 1.0, lambda: first.desk.stop("enough"))
    first.run()
    done = first.pool.sent.total()
    assert 0 < done < 100
    first.journal.close()
    second = Office(tmp_path, 100)
    second.run()
    assert all_are(second, State.ACCEPTED)
    assert second.pool.sent.total() == 100 - done
    assert not first.pool.sent & second.pool.sent


def test_a_row_that_cannot_be_written_is_refused_and_named(tmp_path: Path) -> None:
    def broken(job: Job, now: int) -> Mail:
        if job.number == 2:
            raise MessageError("there is no value called 'x'")
        return write(job, now)

    office = Office(tmp_path, 3, write=broken)
    office.run()
    assert office.states == {1: State.ACCEPTED, 2: State.REJECTED, 3: State.ACCEPTED}
    events = [each for each in office.events if isinstance(each, Settled) and each.number == 2]
    assert [each.text for each in events] == ["there is no value called 'x'"]


def test_only_the_rows_that_were_asked_for_are_sent(tmp_path: Path) -> None:
    office = Office(tmp_path, 10, span=(3, 5))
    office.run()
    assert set(office.pool.sent) == {"r3@b.test", "r4@b.test", "r5@b.test"}


def test_skipped_rows_are_passed_over(tmp_path: Path) -> None:
    from nexomailer_cli.bulk.journal import Journal

    journal = Journal(str(tmp_path / "run.journal"))
    journal.begin([Entry(1, "r1@b.test", "suppressed"), Entry(2, "r2@b.test")], dict)
    office = Office(tmp_path, 2, journal=journal)
    office.run()
    assert set(office.pool.sent) == {"r2@b.test"}


def test_more_deferred_rows_than_memory_holds_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexomailer_cli.bulk.queue.MAX_WAITING", 10)
    office = Office(tmp_path, 100)
    office.pool.answer = lambda _address, tries: GREYLISTED if tries == 1 else OK
    office.run()
    assert all_are(office, State.ACCEPTED)


def test_round_robin_uses_all(tmp_path: Path) -> None:
    office = Office(tmp_path, 300, providers=("a", "b"), strategy="round-robin")
    office.run()
    assert all(pool.sent.total() > 100 for pool in office.pools.values())


def test_recipients_of_a_row_are_served_each_once(tmp_path: Path) -> None:
    from nexomailer_cli.bulk.journal import Journal

    journal = Journal(str(tmp_path / "run.journal"))
    journal.begin([Entry(1, "x1@b.test+y1@b.test")], dict)
    office = Office(tmp_path, 1, journal=journal, table=rows(1))

    def answer(_address: str, tries: int) -> Answer:
        return GREYLISTED if tries == 1 else OK

    office.pool.answer = answer
    office.run()
    assert office.pool.sent == Counter({"x1@b.test": 1, "y1@b.test": 1})


def test_a_row_that_was_tried_before_keeps_its_lease_when_its_session_is_lost(
    tmp_path: Path,
) -> None:
    """Otherwise a power cut would let it out again: it may be far behind the last leased row."""
    office = Office(tmp_path, 1)
    later = Reply(451, "4.7.1", ("Greylisted",))
    office.pool.answer = lambda _address, tries: (later, Scope.SESSION, OK)[tries - 1]
    put_back, intend = office.desk.put_back, office.desk.intend
    seen = []

    def lost(mail: Mail, attempt: Attempt, failure: Failure) -> None:
        intend(mail, lambda: None)
        office.ledger.flush()
        put_back(mail, attempt, failure)
        office.ledger.flush()
        seen.append(office.states[1])

    office.desk.put_back = lost  # type: ignore[method-assign]
    office.run()
    assert seen == [State.LEASED]
    assert office.states == {1: State.ACCEPTED}


def test_a_server_that_loses_messages_is_not_given_many(tmp_path: Path) -> None:
    office = Office(tmp_path, 200, providers=("main", "spare"))
    office.pool.answer = lambda _address, _try: "lost"
    office.run()
    lost = sum(state is State.UNKNOWN for state in office.states.values())
    assert lost <= 3 + office.pool.connections
    assert len(office.states) - lost == office.pools["spare"].sent.total()
    assert any(isinstance(event, Troubled) for event in office.events)


def test_with_no_other_server_the_rows_wait_for_one_that_loses_messages(tmp_path: Path) -> None:
    office = Office(tmp_path, 200, patience=0.0)
    office.pool.answer = lambda _address, _try: "lost"
    office.run()
    assert office.desk.stop_reason == "no provider can be used"
    assert Counter(office.states.values())[State.WAITING] >= 200 - 3 - office.pool.connections


SENDER_REFUSED = Reply(550, "5.7.60", ("not your sender",))


def by_sender(reply: Reply) -> Disposition:
    failure = Failure(Scope.SENDER, is_transient=False)
    return Disposition("x", Verdict.REJECTED, Phase.MAIL, reply, "", failure)


@pytest.mark.parametrize("count", [3, 900])
@pytest.mark.parametrize("is_off", [True, False])
def test_rows_that_only_a_useless_provider_could_serve_do_not_keep_a_run_waiting_for_ever(
    tmp_path: Path, count: int, is_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(tmp_path, count, providers=("a", "b"), patience=60.0)
    monkeypatch.setattr("tests.bulk.office.disposition", lambda each, answer: by_sender(answer))
    office.pools["a"].answer = lambda _address, _tries: SENDER_REFUSED
    office.pools["b"].answer = lambda _address, _tries: Scope.PROVIDER
    if is_off:
        office.line_up.gates["b"].switch_off()
    office.run()
    assert all_are(office, State.WAITING)
    assert [each.reason for each in office.events if isinstance(each, Stopping)] == [
        "no provider can be used"
    ]
    assert office.seconds < 3600
