"""Every option of `send`: what arrives is what was asked for."""

from __future__ import annotations

from email.message import EmailMessage, Message
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.cli.conftest import SENDER, Post, parsed
from tests.support.beside import peer
from tests.support.providers import FROM, configure, provider
from tests.support.run import run
from tests.support.script import GOODBYE, greeting, transaction

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def octets(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def attachments(message: EmailMessage) -> dict[str, tuple[str, bytes]]:
    """File name to media type and octets."""
    return {
        str(part.get_filename()): (part.get_content_type(), octets(part))
        for part in message.iter_attachments()
    }


def test_a_message_is_sent_over_tls_signed_in_and_without_a_word(post: Post) -> None:
    arrived = post.letter("--subject", "Grüße – 東京", "--text", "Hallo\nWelt\n")
    assert (arrived.captured.tls, arrived.captured.user) == (True, "sandbox")
    assert arrived.captured.sender == "aenne@a.test"
    assert arrived.captured.recipients == ("b@b.test",)
    assert arrived.message["From"] == SENDER
    assert arrived.message["To"] == "b@b.test"
    assert arrived.message["Subject"] == "Grüße – 東京"
    assert arrived.text == "Hallo\nWelt\n"
    assert arrived.message.get_content_type() == "text/plain"


def test_date_and_message_id_are_always_there(post: Post) -> None:
    message = post.letter("--text", "x").message
    assert parsedate_to_datetime(message["Date"]).tzinfo is not None
    assert message["Message-ID"].endswith("@a.test>")


def test_recipients_have_names_are_repeated_and_come_from_files(post: Post) -> None:
    (post.folder / "team.txt").write_text("# all of us\n\n  Té <t@t.test>, u@u.test\nv@v.test\n")
    arrived = post.send(
        *("--from", "a@a.test", "--text", "x"),
        *("--to", '"Doe, Jane" <j@j.test>, k@k.test', "--to", "@team.txt"),
        *(
            "--cc",
            "c@c.test",
            "--cc",
            "d@d.test",
            "--bcc",
            "e@e.test",
            "--reply-to",
            "R <r@r.test>",
        ),
    )
    message = arrived.message
    names = [(each.display_name, each.addr_spec) for each in message["To"].addresses]
    assert names == [
        *(("Doe, Jane", "j@j.test"), ("", "k@k.test"), ("Té", "t@t.test")),
        *(("", "u@u.test"), ("", "v@v.test")),
    ]
    assert message["Cc"] == "c@c.test, d@d.test"
    assert message["Reply-To"] == "R <r@r.test>"
    assert arrived.captured.recipients == tuple(f"{letter}@{letter}.test" for letter in "jktuvcde")


def test_nobody_sees_a_bcc(post: Post) -> None:
    arrived = post.send("--from", "a@a.test", "--bcc", "hidden@b.test", "--text", "x")
    assert arrived.captured.recipients == ("hidden@b.test",)
    assert b"hidden" not in arrived.captured.content
    assert "Bcc" not in arrived.message


def test_an_international_domain_and_local_part(post: Post) -> None:
    arrived = post.send("--from", "a@a.test", "--to", "jürgen@bücher.test", "--text", "x")
    assert arrived.captured.recipients == ("jürgen@xn--bcher-kva.test",)


def test_text_comes_from_a_file_without_its_byte_order_mark(post: Post) -> None:
    (post.folder / "body.txt").write_bytes("\ufeffGrüße\r\nx\n".encode())
    assert post.letter("--text", "@body.txt").text == "Grüße\nx\n"


def test_two_at_signs_begin_a_text_with_one(post: Post) -> None:
    assert post.letter("--text", "@@home").text == "@home\n"


@pytest.mark.parametrize("options", [("--text", "-"), ()])
def test_text_comes_from_standard_input(post: Post, options: tuple[str, ...]) -> None:
    assert post.letter(*options, stdin="Grüße\n.\n..\n".encode()).text == "Grüße\n.\n..\n"


def test_standard_input_is_left_alone_when_there_is_a_body(post: Post) -> None:
    assert post.letter("--text", "mine", stdin=b"not mine").text == "mine\n"


def test_html_alone_gets_a_readable_text_part(post: Post) -> None:
    arrived = post.letter("--html", "<h1>Hé</h1><p>Go <a href='https://x.test/'>there</a></p>")
    assert arrived.message.get_content_type() == "multipart/alternative"
    assert "<h1>Hé</h1>" in arrived.html
    assert "Hé" in arrived.text
    assert "https://x.test/" in arrived.text
    assert "<" not in arrived.text.replace("<https://x.test/>", "")


def test_html_and_text_are_alternatives(post: Post) -> None:
    (post.folder / "page.html").write_text("<p>page</p>")
    arrived = post.letter("--html", "@page.html", "--text", "-", stdin=b"plain")
    assert (arrived.html, arrived.text) == ("<p>page</p>\n", "plain\n")


def test_markdown_becomes_both(post: Post) -> None:
    arrived = post.letter("--markdown", "# Hi\n\n**bold** & more")
    assert "<strong>bold</strong> &amp; more" in arrived.html
    assert arrived.text == "# Hi\n\n**bold** & more\n"


def test_attachments_by_path_glob_and_type(post: Post) -> None:
    (post.folder / "a b.pdf").write_bytes(b"%PDF-1.4")
    (post.folder / "1.csv").write_bytes(b"x,y\r\n")
    (post.folder / "2.csv").write_bytes(b"z\n")
    (post.folder / "ünknown.zzz").write_bytes(bytes(range(256)))
    arrived = post.letter(
        *("--text", "see", "--attach", "a b.pdf", "--attach", "*.csv"),
        *("--attach", "ünknown.zzz:application/x-thing"),
    )
    assert attachments(arrived.message) == {
        "a b.pdf": ("application/pdf", b"%PDF-1.4"),
        "1.csv": ("text/csv", b"x,y\r\n"),
        "2.csv": ("text/csv", b"z\n"),
        "ünknown.zzz": ("application/x-thing", bytes(range(256))),
    }
    assert arrived.text == "see\n"


def test_an_attachment_needs_no_body(post: Post) -> None:
    (post.folder / "a.bin").write_bytes(b"\0")
    arrived = post.letter("--attach", "a.bin")
    assert attachments(arrived.message) == {"a.bin": ("application/octet-stream", b"\0")}
    assert arrived.text.strip() == ""


def test_an_inline_image_is_related_to_the_html(post: Post) -> None:
    (post.folder / "logo.png").write_bytes(PNG)
    arrived = post.letter("--html", '<img src="cid:logo">', "--inline", "logo=logo.png")
    (image,) = (part for part in arrived.message.walk() if part.get_content_maintype() == "image")
    assert image["Content-ID"] == "<logo>"
    assert octets(image) == PNG
    assert image.get_content_type() == "image/png"


def test_headers_of_one_s_own(post: Post) -> None:
    message = post.letter(
        *("--text", "x", "--header", "X-Note:  grüßt: Ä "),
        *("--header", "X-Twice: 1", "--header", "x-twice: 2"),
    ).message
    assert message["X-Note"] == "grüßt: Ä"
    assert message.get_all("X-Twice") == ["1", "2"]


def test_thread_and_message_id(post: Post) -> None:
    message = post.letter(
        "--text", "x", "--message-id", "mine@a.test", "--in-reply-to", "<theirs@b.test>"
    ).message
    assert message["Message-ID"] == "<mine@a.test>"
    assert message["In-Reply-To"] == "<theirs@b.test>"
    assert message["References"] == "<theirs@b.test>"


def test_unsubscribing_is_one_click(post: Post) -> None:
    message = post.letter(
        *("--text", "x", "--list-unsubscribe", "https://a.test/u?i=1"),
        *("--list-unsubscribe", "mailto:u@a.test"),
    ).message
    assert message["List-Unsubscribe"] == "<https://a.test/u?i=1>, <mailto:u@a.test>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("option", "sender"), [("bounce@a.test", "bounce@a.test"), ("<>", ""), ("", "")]
)
def test_bounces_go_elsewhere_or_nowhere(post: Post, option: str, sender: str) -> None:
    arrived = post.letter("--text", "x", "--envelope-from", option)
    assert arrived.captured.sender == sender
    assert arrived.message["From"] == SENDER


@pytest.mark.parametrize(
    ("option", "mail", "rcpt"),
    [
        ("never", "", " NOTIFY=NEVER"),
        ("Success, failure", " RET=HDRS ENVID=1@a.test", " NOTIFY=SUCCESS,FAILURE"),
        ("delay,delay", " RET=HDRS ENVID=1@a.test", " NOTIFY=DELAY"),
    ],
)
def test_delivery_reports_are_asked_for(tmp_path: Path, option: str, mail: str, rcpt: str) -> None:
    with peer([*greeting("DSN"), *transaction(), *GOODBYE]) as server:
        configure(tmp_path, provider("main", server))
        arguments = ("send", "--to", "b@b.test", "--text", "x", "--dsn", option)
        assert run(*arguments, "--message-id", "1@a.test", cwd=tmp_path).exit_status == 0
    assert server.heard[1:3] == [
        f"MAIL FROM:<aenne@a.test>{mail}",
        f"RCPT TO:<b@b.test>{rcpt} ORCPT=rfc822;b@b.test",
    ]


def test_delivery_reports_that_nobody_offers_are_told(tmp_path: Path) -> None:
    with peer([*greeting(), *transaction(), *GOODBYE]) as server:
        configure(tmp_path, provider("main", server))
        result = run("send", "--to", "b@b.test", "--text", "x", "--dsn", "delay", cwd=tmp_path)
    assert result.exit_status == 0
    assert result.stderr == "warning: main: the server does not offer delivery reports (DSN)\n"
    assert server.heard[2] == "RCPT TO:<b@b.test>"


def test_a_template_with_values(post: Post) -> None:
    letters = post.folder / "letters"
    letters.mkdir()
    (letters / "bill.pdf").write_bytes(b"%PDF-")
    (letters / "bill.md").write_text(
        "From: Änne <aenne@a.test>\nTo: {{ name }} <{{ address }}>\nCc: {{ boss }}\n"
        "Reply-To: r@a.test\nSubject: Bill {{ number }}\nX-Bill: {{ number }}\n"
        "Attachment: bill.pdf\n\nDear **{{ name }}**, {{ note }}\n"
    )
    (post.folder / "values.json").write_text(
        '{"name": "nobody", "address": "b@b.test", "boss": ""}'
    )
    arrived = post.send(
        *("--template", "letters/bill.md", "--vars", "values.json"),
        *("--var", "name=Bé Doe", "--var", "number=7", "--var", "note=1 < 2"),
    )
    message = arrived.message
    assert message["To"] == "Bé Doe <b@b.test>"
    assert arrived.captured.recipients == ("b@b.test",)
    assert message["Subject"] == "Bill 7"
    assert message["X-Bill"] == "7"
    assert message["Reply-To"] == "r@a.test"
    assert "Cc" not in message
    assert arrived.text == "Dear **Bé Doe**, 1 < 2\n"
    assert "<strong>Bé Doe</strong>, 1 &lt; 2" in arrived.html
    assert attachments(message) == {"bill.pdf": ("application/pdf", b"%PDF-")}


def test_options_take_precedence_over_a_template(post: Post) -> None:
    (post.folder / "t.html").write_text(
        "From: t@a.test\nTo: t@b.test\nReply-To: t@c.test\nSubject: t\nX-A: t\n\n<p>t</p>"
    )
    message = post.send(
        *("--template", "t.html", "--from", "o@a.test", "--to", "o@b.test", "--var", "a=1"),
        *("--reply-to", "o@c.test", "--subject", "o {{ a }}", "--header", "x-a: o"),
    ).message
    named = [message[name] for name in ("From", "To", "Reply-To", "Subject", "X-A")]
    assert named == ["o@a.test", "o@b.test", "o@c.test", "o 1", "o"]
    assert message.get_all("X-A") == ["o"]


def test_values_reach_subject_and_bodies_only_where_there_are_some(post: Post) -> None:
    with_value = post.letter("--subject", "{{ a }}", "--text", "{{ a }}", "--var", "a=x=y")
    assert (with_value.message["Subject"], with_value.text) == ("x=y", "x=y\n")
    without = post.letter("--subject", "{{ a }}", "--text", "{{ a }}")
    assert (without.message["Subject"], without.text) == ("{{ a }}", "{{ a }}\n")


def test_a_value_is_no_markup(post: Post) -> None:
    arrived = post.letter("--html", "<p>{{ a }}</p>", "--text", "{{ a }}", "--var", "a=<b>&")
    assert "<p>&lt;b&gt;&amp;</p>" in arrived.html
    assert arrived.text == "<b>&\n"


RAW = b"From: a@a.test\nTo: b@b.test, c@c.test\nBcc: d@d.test\nSubject: raw\n\n.hi\n"


def test_a_finished_message_goes_to_whom_its_headers_name(post: Post) -> None:
    (post.folder / "mail.eml").write_bytes(RAW)
    arrived = post.send("--raw", "mail.eml")
    assert arrived.captured.recipients == ("b@b.test", "c@c.test", "d@d.test")
    assert arrived.captured.sender == "a@a.test"
    assert "Bcc" not in arrived.message
    assert arrived.text == ".hi\n"


def test_a_finished_message_goes_to_others_when_they_are_named(post: Post) -> None:
    arrived = post.send(
        *("--raw", "-", "--to", "x@x.test", "--cc", "y@y.test", "--bcc", "x@x.test"),
        *("--envelope-from", "bounce@a.test"),
        stdin=RAW,
    )
    assert arrived.captured.recipients == ("x@x.test", "y@y.test")
    assert arrived.captured.sender == "bounce@a.test"
    assert arrived.message["To"] == "b@b.test, c@c.test"


def test_defaults_come_from_the_configuration(tmp_path: Path) -> None:
    with peer([*greeting(), *transaction(), *GOODBYE]) as server:
        defaults = {
            "from": FROM,
            "reply_to": "help@a.test",
            "envelope_from": "bounce@a.test",
            "headers": {"X-Ops": "standing", "X-Team": "standing"},
        }
        configure(tmp_path, provider("main", server), defaults=defaults)
        arguments = ("send", "--to", "b@b.test", "--text", "x", "--header", "x-team: mine")
        assert run(*arguments, cwd=tmp_path).exit_status == 0
    message = parsed(server.contents[0])
    assert message["From"] == FROM
    assert message["Reply-To"] == "help@a.test"
    assert message["X-Ops"] == "standing"
    assert message.get_all("X-Team") == ["mine"]
    assert server.heard[1] == "MAIL FROM:<bounce@a.test>"


def test_a_dry_run_prints_the_message_and_needs_no_configuration(tmp_path: Path) -> None:
    result = run(
        *("send", "--dry-run", "--from", "a@a.test", "--to", "b@b.test", "--text", "hé"),
        cwd=tmp_path,
    )
    assert result.exit_status == 0
    assert parsed(result.stdout)["To"] == "b@b.test"
    assert b"\n" not in result.stdout.replace(b"\r\n", b"")
    assert result.stderr == f"not sent: from a@a.test to b@b.test, {len(result.stdout)} octets\n"


def test_a_dry_run_touches_no_server(tmp_path: Path) -> None:
    with peer(greeting()) as server:
        configure(tmp_path, provider("main", server))
        result = run(
            "send", "--dry-run", "--sandbox", "--to", "b@b.test", "--text", "x", cwd=tmp_path
        )
    assert (result.exit_status, server.connections) == (0, 0)
    assert parsed(result.stdout)["From"] == FROM


def test_a_dry_run_names_few_of_many_recipients(tmp_path: Path) -> None:
    many = ", ".join(f"r{number}@b.test" for number in range(12))
    result = run(
        *("send", "--dry-run", "--from", "a@a.test", "--envelope-from", "", "--bcc", many),
        *("--text", "x"),
        cwd=tmp_path,
    )
    assert result.stderr.startswith("not sent: from <> to r0@b.test, ")
    assert ", r9@b.test and 2 more, " in result.stderr


def test_a_message_is_kept_in_a_file_and_sent(post: Post) -> None:
    arrived = post.letter("--text", "x", "-o", "kept.eml")
    assert (post.folder / "kept.eml").read_bytes() == arrived.captured.content


def test_a_dry_run_into_a_file_prints_nothing(post: Post) -> None:
    result = run(
        *("send", "--dry-run", "--from", "a@a.test", "--to", "b@b.test", "--text", "x"),
        *("-o", "kept.eml"),
        cwd=post.folder,
    )
    assert (result.exit_status, result.stdout) == (0, b"")
    assert parsed((post.folder / "kept.eml").read_bytes())["To"] == "b@b.test"


def test_the_embedded_sandbox_needs_no_configuration(tmp_path: Path) -> None:
    result = run("send", "--sandbox", "--to", "b@b.test", "--text", "hé", cwd=tmp_path)
    assert result.exit_status == 0
    assert result.stdout == b""
    assert "arrived over TLS, signed in as sandbox" in result.stderr
    assert "from <sender@sandbox.test> to b@b.test" in result.stderr
    assert "| hé" in result.stderr


def test_the_embedded_sandbox_shows_every_part(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1,2\n")
    options = ("--html", "<p>hé</p>", "--attach", "a.csv")
    result = run("send", "--sandbox", "--to", "b@b.test", *options, cwd=tmp_path)
    parts = [line.split(",")[0].strip() for line in result.stderr.splitlines()[-3:]]
    assert parts == ["text/plain", "text/html", "text/csv “a.csv”"]
    assert "  | hé\n" in result.stderr


def test_the_embedded_sandbox_takes_the_place_of_all_providers(tmp_path: Path) -> None:
    with peer(greeting()) as server:
        configure(tmp_path, provider("main", server))
        result = run(
            *("send", "--sandbox", "--provider", "main", "--to", "b@b.test", "--text", "x"),
            cwd=tmp_path,
        )
    assert (result.exit_status, server.connections) == (0, 0)
    assert "from <aenne@a.test> to b@b.test" in result.stderr


def test_one_provider_is_chosen_by_name(tmp_path: Path) -> None:
    with (
        peer(greeting()) as first,
        peer([*greeting(), *transaction(), *GOODBYE]) as second,
    ):
        configure(tmp_path, provider("main", first), provider("backup", second))
        result = run(
            "send", "--to", "b@b.test", "--text", "x", "--provider", "backup", cwd=tmp_path
        )
    assert (result.exit_status, first.connections, second.connections) == (0, 0, 1)


@pytest.mark.parametrize("where", ["option", "variable", "url"])
def test_the_configuration_is_found(tmp_path: Path, where: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with peer([*greeting(), *transaction(), *GOODBYE]) as server:
        path = str(configure(elsewhere, provider("main", server)))
        options = ("--config", path) if where == "option" else ()
        env = {
            "option": {},
            "variable": {"NEXOMAILER_CONFIG": path},
            "url": {"NEXOMAILER_URL": f"smtp://127.0.0.1:{server.port}"},
        }[where]
        result = run(
            *("send", "--from", "a@a.test", "--to", "b@b.test", "--text", "x", *options),
            env=env,
            cwd=tmp_path,
        )
    assert (result.exit_status, len(server.contents)) == (0, 1)


ODD = {
    "character set": b"Content-Type: text/plain; charset=nope\n",
    "message-id": b"Message-ID: <\n",
    "long": b"Subject: x\n\n" + b"line\n" * 20 + b"X: y\n",
    "no body": b"Content-Type: image/png\nContent-Disposition: inline; filename=a.png\n",
}


@pytest.mark.parametrize("case", ODD)
def test_the_embedded_sandbox_shows_odd_messages_too(tmp_path: Path, case: str) -> None:
    mail = b"From: a@a.test\nTo: b@b.test\n" + ODD[case] + b"\nhi\n"
    result = run("send", "--sandbox", "--raw", "-", stdin=mail, cwd=tmp_path)
    assert result.exit_status == 0
    assert "From: a@a.test" in result.stderr
    assert {
        "character set": "| hi\n",
        "message-id": "Message-ID: <\n",
        "long": "more lines\n",
        "no body": "image/png “a.png”, 4 octets\n",
    }[case] in result.stderr
