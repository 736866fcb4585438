"""`nexomailer bulk` from end to end: real sockets, a real journal."""

from __future__ import annotations

import csv
import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nexomailer_cli.bulk.journal import Journal
from nexomailer_cli.sandbox.server import Sandbox
from tests.cli.conftest import Post, parsed
from tests.support.beside import beside
from tests.support.providers import configure, provider
from tests.support.run import Result, ended, run, running, wait_for
from tests.support.script import GOODBYE, Peer, Script, greeting, scripted, transaction

LETTER = ("--from", "a@a.test", "--subject", "Hi {{ name }}", "--text", "Dear {{ name }},\n")


@pytest.fixture
def people(post: Post) -> Post:
    write(post, ("ann@b.test", "Ann"), ("bob@b.test", "Bob"), ("cid@b.test", "Cid"))
    return post


def write(post: Post, *rows: tuple[str, str]) -> None:
    """Write the input, with addresses that no other test uses."""
    lines = ["email,name", *(",".join(row) for row in rows)]
    (post.folder / "people.csv").write_text("\n".join(lines) + "\n")


def bulk(post: Post, *arguments: str, letter: tuple[str, ...] = LETTER) -> Result:
    return run(
        "bulk", "people.csv", *letter, "--retry-for", "0", *arguments, env=post.env, cwd=post.folder
    )


def report(result: Result) -> dict[str, Any]:
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(line["schema"] == "nexomailer.bulk/1" for line in lines)
    assert lines[-1]["event"] == "report"
    assert lines[-1]["exit_code"] == result.exit_status
    found: dict[str, Any] = lines[-1]
    return found


def arrived(sandbox: Sandbox, since: int) -> Counter[str]:
    return Counter(recipient for each in sandbox.captured[since:] for recipient in each.recipients)


def test_every_row_gets_its_own_message(people: Post) -> None:
    before = len(people.sandbox.captured)
    result = bulk(people, "--yes")
    assert result.exit_status == 0, result.stderr
    assert result.stdout == b""
    captured = people.sandbox.captured[before:]
    messages = {each.recipients[0]: parsed(each.content) for each in captured}
    assert {to: message["Subject"] for to, message in messages.items()} == {
        "ann@b.test": "Hi Ann",
        "bob@b.test": "Hi Bob",
        "cid@b.test": "Hi Cid",
    }
    assert len({message["Message-ID"] for message in messages.values()}) == 3
    assert "3 accepted" in result.stderr


def test_a_complete_run_says_so_and_sends_nothing(people: Post) -> None:
    bulk(people, "--yes")
    before = len(people.sandbox.captured)
    again = bulk(people, "--yes", "--json")
    assert again.exit_status == 0
    assert "complete" in again.stderr
    assert len(people.sandbox.captured) == before
    assert report(again)["accepted"] == 3


def test_without_a_terminal_somebody_has_to_say_yes(people: Post) -> None:
    before = len(people.sandbox.captured)
    result = run("bulk", "people.csv", *LETTER, env=people.env, cwd=people.folder, stdin=b"")
    assert result.exit_status == 2
    assert "--yes" in result.stderr
    assert len(people.sandbox.captured) == before


def test_check_sends_nothing_and_leaves_no_journal(people: Post) -> None:
    before = len(people.sandbox.captured)
    result = bulk(people, "--check")
    assert result.exit_status == 0
    assert "3 rows" in result.stderr
    assert len(people.sandbox.captured) == before
    assert not (people.folder / "people.csv.journal").exists()


def test_everything_that_is_wrong_is_told_before_anything_is_sent(post: Post) -> None:
    write(post, ("ann@b.test", "Ann"), ("nobody", "B"), ("c c@b.test", "C"), ("ann@b.test", "A"))
    before = len(post.sandbox.captured)
    result = bulk(post, "--yes", "--json")
    assert result.exit_status == 65
    for line in (3, 4, 5):
        assert f"people.csv:{line}" in result.stderr
    assert len(post.sandbox.captured) == before
    assert not (post.folder / "people.csv.journal").exists()
    told = report(result)
    assert (told["rows"], told["accepted"], told["invalid"], told["waiting"]) == (4, 0, 3, 1)
    assert "Mend the rows" in result.stderr


def test_the_second_row_of_one_address_is_skipped_when_asked(post: Post) -> None:
    write(post, ("ann@b.test", "Ann"), ("Ann@B.test", "Anna"))
    result = bulk(post, "--yes", "--dedupe", "skip", "--json")
    assert (report(result)["accepted"], report(result)["skipped"]) == (1, 1)


def test_both_rows_of_one_address_are_sent_when_asked(post: Post) -> None:
    write(post, ("ann@b.test", "Ann"), ("ann@b.test", "Anna"))
    before = len(post.sandbox.captured)
    result = bulk(post, "--yes", "--dedupe", "keep")
    assert result.exit_status == 0, result.stderr
    captured = post.sandbox.captured[before:]
    assert len({parsed(each.content)["Message-ID"] for each in captured}) == 2


def test_suppressed_people_get_nothing(people: Post) -> None:
    (people.folder / "no.txt").write_text("# left\nBOB@b.test\n")
    before = len(people.sandbox.captured)
    result = bulk(people, "--yes", "--suppress", "no.txt", "--json")
    assert report(result)["skipped"] == 1
    assert "bob@b.test" not in arrived(people.sandbox, before)


def test_a_part_of_the_rows_can_be_sent_and_the_rest_later(people: Post) -> None:
    before = len(people.sandbox.captured)
    first = bulk(people, "--yes", "--offset", "1", "--limit", "1", "--json")
    assert set(arrived(people.sandbox, before)) == {"bob@b.test"}
    assert (report(first)["waiting"], first.exit_status) == (2, 0)
    bulk(people, "--yes")
    assert arrived(people.sandbox, before) == Counter(
        {"ann@b.test": 1, "bob@b.test": 1, "cid@b.test": 1}
    )


def test_a_changed_message_is_noticed(people: Post) -> None:
    bulk(people, "--yes", "--limit", "1")
    other = ("--from", "a@a.test", "--subject", "Other", "--text", "Other")
    before = len(people.sandbox.captured)
    result = bulk(people, "--yes", letter=other)
    assert result.exit_status == 2
    assert "the message changed" in result.stderr
    assert len(people.sandbox.captured) == before
    result = bulk(people, "--yes", "--accept-changes", letter=other)
    assert result.exit_status == 0
    assert len(people.sandbox.captured) == before + 2


def test_a_changed_input_keeps_who_has_been_served(people: Post) -> None:
    bulk(people, "--yes", "--limit", "1")
    before = len(people.sandbox.captured)
    write(people, ("dan@b.test", "Dan"), ("ann@b.test", "Ann"))
    assert bulk(people, "--yes").exit_status == 2
    assert bulk(people, "--yes", "--accept-changes").exit_status == 0
    assert arrived(people.sandbox, before) == Counter({"dan@b.test": 1})


def test_what_a_power_cut_left_open_stays_so_whoever_changes_the_input(
    people: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases know rows by number, and a changed input has other numbers."""
    bulk(people, "--yes", "--limit", "1")
    journal = Journal(str(people.folder / "people.csv.journal"))
    journal.lease(2)
    journal.close()
    write(people, ("new@b.test", "New"), ("cid@b.test", "Cid"), ("bob@b.test", "Bob"))
    monkeypatch.setattr("nexomailer_cli.bulk.journal.boot_id", lambda: "the next boot")
    before = len(people.sandbox.captured)
    refused = bulk(people, "--yes")
    assert refused.exit_status == 2
    assert "row 2, bob@b.test: unknown" in refused.stderr
    result = bulk(people, "--yes", "--accept-changes")
    assert result.exit_status == 4, result.stderr
    assert arrived(people.sandbox, before) == Counter({"new@b.test": 1, "cid@b.test": 1})


def test_a_report_can_be_sent_again(post: Post) -> None:
    write(post, ("ann@b.test", "=1+1"), ("bob@b.test", "+49 30 1"))
    result = bulk(post, "--yes", "--report", "report.csv")
    assert result.exit_status == 0, result.stderr
    with (post.folder / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == ["accepted", "accepted"]
    assert rows[0]["name"] == "'=1+1"
    before = len(post.sandbox.captured)
    (post.folder / "people.csv").write_bytes((post.folder / "report.csv").read_bytes())
    (post.folder / "people.csv.journal").unlink()
    assert bulk(post, "--yes").exit_status == 0
    subjects = {parsed(each.content)["Subject"] for each in post.sandbox.captured[before:]}
    assert subjects == {"Hi =1+1", "Hi +49 30 1"}


def test_the_journal_says_what_became_of_the_rows(people: Post) -> None:
    bulk(people, "--yes", "--limit", "2")
    there = {"cwd": people.folder}
    status = run("journal", "status", "people.csv.journal", **there)  # type: ignore[arg-type]
    assert "2 accepted" in status.stdout.decode()
    assert "1 waiting" in status.stdout.decode()
    counts = json.loads(
        run("journal", "status", "people.csv.journal", "--json", **there).stdout  # type: ignore[arg-type]
    )
    assert (counts["accepted"], counts["waiting"]) == (2, 1)
    rows = run("journal", "rows", "people.csv.journal", "--state", "waiting", **there)  # type: ignore[arg-type]
    assert b"cid@b.test" in rows.stdout
    assert b"ann@b.test" not in rows.stdout
    written = run(
        *("journal", "rows", "people.csv.journal", "--state", "accepted", "-o", "out.csv"),
        **there,  # type: ignore[arg-type]
    )
    assert written.exit_status == 0
    assert (people.folder / "out.csv").read_text().count("accepted") == 2
    wrong = run("journal", "rows", "people.csv.journal", "--state", "odd", **there)  # type: ignore[arg-type]
    assert wrong.exit_status == 2
    missing = run("journal", "status", "nothing.journal", **there)  # type: ignore[arg-type]
    assert missing.exit_status == 66


def test_a_dry_run_writes_files_and_sends_nothing(people: Post) -> None:
    before = len(people.sandbox.captured)
    result = bulk(people, "--dry-run", "-o", "out", "--limit", "2")
    assert result.exit_status == 0, result.stderr
    files = sorted((people.folder / "out").iterdir())
    assert [file.name for file in files] == ["000001.eml", "000002.eml"]
    assert parsed(files[1].read_bytes())["Subject"] == "Hi Bob"
    assert len(people.sandbox.captured) == before
    assert b"Hi Ann" in bulk(people, "--dry-run").stdout


def test_one_row_can_be_sent_to_oneself(people: Post) -> None:
    before = len(people.sandbox.captured)
    result = bulk(people, "--test-to", "me@a.test", "--row", "2")
    assert result.exit_status == 0, result.stderr
    (captured,) = people.sandbox.captured[before:]
    assert captured.recipients == ("me@a.test",)
    assert parsed(captured.content)["Subject"] == "Hi Bob"
    assert not (people.folder / "people.csv.journal").exists()
    assert bulk(people, "--test-to", "me@a.test", "--row", "9").exit_status == 66


@pytest.mark.parametrize(
    "wrong",
    [
        ("--rate", "many"),
        ("--max-errors", "x"),
        ("--provider", "nobody"),
        ("--max-errors", "0"),
        ("--max-errors", "101%"),
        ("--dedupe", "perhaps"),
        ("--retry-for", "soon"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(wrong: tuple[str, ...], people: Post) -> None:
    assert bulk(people, "--yes", *wrong).exit_status == 2
    assert not (people.folder / "people.csv.journal").exists()


def local(folder: Path, peer: Peer, **config: Any) -> None:
    configure(folder, provider("main", peer, **config))


def local_bulk(folder: Path, *arguments: str) -> Result:
    return run("bulk", "people.csv", *LETTER, "--yes", "--retry-for", "0", *arguments, cwd=folder)


def test_refused_rows_are_grouped_by_reason_and_sent_again_when_asked(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("email,name\nann@b.test,A\nbob@b.test,B\n")
    no = "550 5.1.1 <{}>: user unknown"
    from tests.support.script import RESET, Expect, Reply

    def refused(address: str) -> Script:
        return (Expect("MAIL"), Reply("250 ok"), Expect("RCPT"), Reply(no.format(address)))

    first = (*greeting(), *refused("ann@b.test"), *RESET, *refused("bob@b.test"), *GOODBYE)
    second = (*greeting(), *transaction(), *transaction(), *GOODBYE)
    with beside(scripted(first, second)) as peer:
        local(tmp_path, peer, max_connections=1)
        result = local_bulk(tmp_path, "--json")
        assert result.exit_status == 65, result.stderr
        assert report(result)["rejected"] == 2
        assert "2 × rejected: 550 5.1.1 …: user unknown" in result.stderr
        assert local_bulk(tmp_path).exit_status == 0  # complete
        again = local_bulk(tmp_path, "--retry-failed", "--json")
    assert again.exit_status == 0, again.stderr
    assert report(again)["accepted"] == 2


def test_with_no_server_the_rows_wait(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("email,name\nann@b.test,A\nbob@b.test,B\n")
    configure(tmp_path, provider("main", 1))
    result = local_bulk(tmp_path, "--json")
    assert result.exit_status in (69, 75)
    assert report(result)["waiting"] == 2
    assert "The same command again continues" in result.stderr


def test_a_refused_sign_in_is_tried_once(tmp_path: Path) -> None:
    from tests.support.script import Expect, Reply

    people = "".join(f"r{n}@b.test,N\n" for n in range(20))
    (tmp_path / "people.csv").write_text(f"email,name\n{people}")
    script = (*greeting("AUTH PLAIN"), Expect("AUTH"), Reply("535 5.7.8 no"), *GOODBYE)
    with beside(scripted(script)) as peer:
        local(tmp_path, peer, auth={"user": "u", "pass": "p"}, starttls="never",
              allow_plaintext_auth=True)  # fmt: skip
        result = local_bulk(tmp_path)
    assert result.exit_status == 77, result.stderr
    assert peer.verbs.count("AUTH") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_order_and_the_same_command_continues(
    number: signal.Signals, tmp_path: Path
) -> None:
    from nexomailer_cli.sandbox.server import Sandbox as Box

    people = "".join(f"r{n}@b.test,N\n" for n in range(400))
    (tmp_path / "people.csv").write_text(f"email,name\n{people}")
    command = ("bulk", "people.csv", *LETTER, "--yes", "--json", "--rate", "100/s")
    with Box() as box:
        env = {
            "NEXOMAILER_URL": f"smtp+starttls://{box.username}:{box.password}@{box.host}:{box.port}"
            f"?ca_file={box.ca_file}"
        }
        with running(*command, cwd=tmp_path, env=env) as process:
            wait_for(process, "messages to send")
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(number)
            first = ended(process)
        assert first.exit_status == 130
        assert "The same command again continues" in first.stderr
        some = len(box.captured)
        assert 0 < some < 400
        with running(*command, cwd=tmp_path, env=env) as process:
            second = ended(process)
        assert second.exit_status == 0, second.stderr
        everybody = Counter(each.recipients[0] for each in box.captured)
    assert set(everybody.values()) == {1}
    assert len(everybody) == 400


@pytest.mark.parametrize(
    "wrong",
    [
        ("-o", "out"),
        ("--row", "2"),
        ("--check", "--dry-run"),
        ("--check", "--test-to", "me@a.test"),
        ("--dry-run", "--report", "r.csv"),
        ("--report", "people.csv"),
        ("--report", "./people.csv.journal"),
        ("--report", "-"),
        ("--suppress", "no.txt", "--report", "no.txt"),
        ("--text", "@body.txt", "--report", "body.txt"),
    ],
)
def test_what_is_meant_otherwise_sends_nothing_and_destroys_nothing(
    wrong: tuple[str, ...], people: Post
) -> None:
    for name in ("no.txt", "body.txt"):
        (people.folder / name).write_text("x@b.test\n")
    before = len(people.sandbox.captured)
    there = {file.name: file.read_bytes() for file in people.folder.iterdir()}
    letter = LETTER[:-2] if "--text" in wrong else LETTER
    assert bulk(people, "--yes", *wrong, letter=letter).exit_status == 2
    assert len(people.sandbox.captured) == before
    assert {file.name: file.read_bytes() for file in people.folder.iterdir()} == there


@pytest.mark.parametrize("place", ["nowhere/report.csv", "folder"])
def test_a_report_that_cannot_be_written_is_told_before_anything_is_sent(
    place: str, people: Post
) -> None:
    (people.folder / "folder").mkdir()
    before = len(people.sandbox.captured)
    result = bulk(people, "--yes", "--report", place)
    assert result.exit_status == 73
    assert len(people.sandbox.captured) == before


def test_rows_of_a_journal_do_not_overwrite_their_input(people: Post) -> None:
    bulk(people, "--yes")
    there = (people.folder / "people.csv").read_bytes()
    command = ("journal", "rows", "people.csv.journal", "-o")
    for place in ("people.csv", "people.csv.journal"):
        assert run(*command, place, cwd=people.folder).exit_status == 2
    assert (people.folder / "people.csv").read_bytes() == there
    assert run("journal", "status", "people.csv.journal", cwd=people.folder).exit_status == 0


def test_verdicts_are_not_written_beside_rows_that_were_not_sent(people: Post) -> None:
    bulk(people, "--yes")
    command = ("journal", "rows", "people.csv.journal", "-o", "out.csv")
    for rows in ((("ann@b.test", "Ann"),), (("cid@b.test", "Cid"), ("bob@b.test", "Bob"))):
        write(people, *rows)
        result = run(*command, cwd=people.folder)
        assert result.exit_status == 66
        assert "not the input that was sent" in result.stderr
        assert not (people.folder / "out.csv").exists()
