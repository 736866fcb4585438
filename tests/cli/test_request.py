"""What the options of `send` make together, and which do not go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexomailer_cli.cli.request import NOTIFY, compose_mail, draft_of, notify_of
from nexomailer_cli.cli.send_options import SendOptions
from nexomailer_cli.config.settings import Defaults
from nexomailer_cli.errors import MessageError, UsageError
from tests.cli.conftest import parsed
from tests.support.run import CLOSED, run

RAW = "From: a@a.test\nTo: b@b.test\nSubject: x\n\nhi\n"
DRY = ("send", "--dry-run", "--from", "a@a.test", "--to", "b@b.test")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mail.eml").write_text(RAW)


@pytest.mark.parametrize(
    ("option", "name"),
    [
        (("--from", "x@a.test"), "--from"),
        (("--subject", "x"), "--subject"),
        (("--text", "x"), "--text"),
        (("--html", "x"), "--html"),
        (("--markdown", "x"), "--markdown"),
        (("--reply-to", "x@a.test"), "--reply-to"),
        (("--attach", "x"), "--attach"),
        (("--inline", "x=y"), "--inline"),
        (("--header", "x: y"), "--header"),
        (("--template", "x"), "--template"),
        (("--var", "x=y"), "--var"),
        (("--vars", "x"), "--vars"),
        (("--list-unsubscribe", "https://x.test"), "--list-unsubscribe"),
        (("--message-id", "<x@y>"), "--message-id"),
        (("--in-reply-to", "<x@y>"), "--in-reply-to"),
    ],
)
def test_a_finished_message_leaves_no_room_for_more(
    tmp_path: Path, option: tuple[str, ...], name: str
) -> None:
    result = run("send", "--dry-run", "--raw", "mail.eml", *option, cwd=tmp_path)
    assert result.exit_status == 2
    assert result.stderr.startswith(f"error: --raw and {name} do not go together\n")


# Options beside --from and --to -> exit status and what is told.
REFUSED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no body": ((), 2, "there is no body"),
    "image without HTML": (("--text", "x", "--inline", "l=l.png"), 66, "l.png"),
    "two bodies from one input": (("--text", "-", "--html", "-"), 2, "only one body"),
    "markdown and text": (("--markdown", "x", "--text", "y"), 2, "--markdown makes both"),
    "markdown and html": (("--markdown", "x", "--html", "y"), 2, "--markdown makes both"),
    "template and text": (("--template", "t", "--text", "y"), 2, "--template and --text"),
    "template and html": (("--template", "t", "--html", "y"), 2, "--template and --html"),
    "no template": (("--template", "no.md"), 66, "cannot read no.md"),
    "no values": (("--text", "x", "--vars", "no.json"), 66, "cannot read no.json"),
    "no attachment": (("--text", "x", "--attach", "no.pdf"), 66, "no.pdf"),
    "empty glob": (("--text", "x", "--attach", "*.no"), 66, "*.no"),
    "folder": (("--text", "x", "--attach", "."), 66, "directory"),
    "line break in subject": (("--text", "x", "--subject", "a\nBcc: x@x.test"), 65, "Subject: "),
    "line break in header": (("--text", "x", "--header", "X-A: a\rB: c"), 65, "X-A: "),
    "control in header name": (("--text", "x", "--header", "X\x1b: a"), 65, "X\\x1b"),
    "line break in address": (("--text", "x", "--cc", "a@a.test\r\nBcc: x@x.test"), 2, "--cc: "),
    "line break in name": (("--text", "x", "--cc", "a\n <a@a.test>"), 2, "--cc: "),
    "line break in message-id": (("--text", "x", "--message-id", "a\n@b"), 65, "Message-ID"),
    "line break in reply": (("--text", "x", "--in-reply-to", "a\n@b"), 65, "In-Reply-To"),
    "line break in bounce": (("--text", "x", "--envelope-from", "a@a\n"), 2, "--envelope-from: "),
    "line break in list": (("--text", "x", "--list-unsubscribe", "https://a\nb"), 65, "List-"),
    "scheme of list": (("--text", "x", "--list-unsubscribe", "ftp://a"), 65, "List-"),
    "header of our own": (("--text", "x", "--header", "Bcc: x@x.test"), 65, "--bcc"),
    "two senders": (("--text", "x", "--from", "a@a.test, b@b.test"), 2, "--from: "),
    "dsn": (("--text", "x", "--dsn", "always"), 2, "--dsn: “always”"),
    "retry": (("--text", "x", "--retry-for", "-1s"), 2, "--retry-for: “-1s”"),
    "no end": (("--text", "x", "--retry-for", "9" * 400), 2, "longer than a year"),
    "no file name": (("--text", "@"), 66, "its name is empty"),
    "no time": (("--text", "x", "--deadline", "0"), 2, "--deadline: nothing can be sent"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_words_that_do_nothing(tmp_path: Path, case: str) -> None:
    options, status, words = REFUSED[case]
    result = run(*DRY, *options, cwd=tmp_path)
    assert (result.exit_status, result.stdout) == (status, b"")
    assert words in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.replace("\n", "").isprintable()


def test_an_image_needs_html(tmp_path: Path) -> None:
    Path("l.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = run(*DRY, "--text", "x", "--inline", "l=l.png", cwd=tmp_path)
    assert result.exit_status == 2
    assert "no HTML body" in result.stderr


def test_a_file_name_with_a_line_break_is_refused_or_made_harmless(tmp_path: Path) -> None:
    Path("a\nBcc: x@x.test.txt").write_text("x")
    result = run(*DRY, "--text", "x", "--attach", "*.txt", cwd=tmp_path)
    assert result.exit_status in (0, 65, 66)
    assert b"\nBcc:" not in result.stdout
    assert "\nBcc:" not in result.stderr


def test_a_mail_needs_a_sender_and_a_recipient() -> None:
    with pytest.raises(UsageError, match="no sender"):
        draft_of(SendOptions(to=("b@b.test",), text="x"), Defaults())
    with pytest.raises(UsageError, match="no recipient"):
        draft_of(SendOptions(sender="a@a.test", text="x"), Defaults())


def test_a_finished_message_from_standard_input_needs_one(tmp_path: Path) -> None:
    result = run("send", "--dry-run", "--raw", "-", stdin=CLOSED, cwd=tmp_path)
    assert result.exit_status == 66
    result = run("send", "--dry-run", "--raw", "-", stdin=b"", cwd=tmp_path)
    assert result.exit_status == 65
    result = run("send", "--dry-run", "--raw", "-", stdin=RAW.encode(), cwd=tmp_path)
    assert parsed(result.stdout)["Subject"] == "x"


def test_a_finished_message_without_recipients_is_refused() -> None:
    Path("mail.eml").write_text("From: a@a.test\nSubject: x\n\nhi\n")
    with pytest.raises(MessageError):
        compose_mail(SendOptions(raw="mail.eml"), Defaults())


def test_the_defaults_fill_what_nobody_said() -> None:
    defaults = Defaults(from_="D <d@d.test>", reply_to="r@d.test", envelope_from="e@d.test")
    draft = draft_of(SendOptions(to=("b@b.test",), text="x"), defaults)
    assert (draft.sender.name, draft.sender.spec) == ("D", "d@d.test")
    assert [each.spec for each in draft.reply_to] == ["r@d.test"]
    assert draft.envelope_from == "e@d.test"
    said = SendOptions(
        sender="a@a.test", to=("b@b.test",), reply_to=("q@a.test",), envelope_from="<>", text="x"
    )
    draft = draft_of(said, defaults)
    assert (draft.sender.spec, draft.envelope_from) == ("a@a.test", "")
    assert [each.spec for each in draft.reply_to] == ["q@a.test"]


def test_notifications_are_never_or_some() -> None:
    assert notify_of(None) == ()
    assert notify_of("never") == ("never",)
    assert notify_of(" DELAY , success,delay") == ("delay", "success")
    assert set(NOTIFY) == {"never", "success", "failure", "delay"}


@pytest.mark.parametrize("value", ["", "always", "never,delay", "success,", "\x1b[31m"])
def test_other_notifications_are_usage(value: str) -> None:
    with pytest.raises(UsageError, match="is not understood"):
        notify_of(value)
