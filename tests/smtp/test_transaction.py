import pytest
from msgspec import structs

from nexomailer_cli.smtp.envelope import Envelope, Mail
from nexomailer_cli.smtp.extensions import Extensions
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Severity
from nexomailer_cli.smtp.transaction import STEPS, Transaction, obstacle

PLAIN = b"Subject: x\r\n\r\nbody\r\n"
EIGHT_BIT = "Subject: x\r\n\r\nGrüße\r\n".encode()
UTF8_HEADER = "Subject: Grüße\r\n\r\nbody\r\n".encode()


def mail(content: bytes = PLAIN, sender: str = "a@b.test", *, notify: str = "") -> Mail:
    wanted = tuple(notify.split(",")) if notify else ()
    return Mail(Envelope(sender, ("x@y.test",), wanted), content)


def first_lines(mail: Mail, extensions: Extensions) -> list[str]:
    commands = Transaction(mail, extensions).envelope_commands()
    return [line.decode().rstrip() for _, line in commands]


def test_the_table_knows_every_reply_to_every_command() -> None:
    phases = (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.END)
    assert set(STEPS) == {(phase, severity) for phase in phases for severity in Severity}


@pytest.mark.parametrize(
    ("message", "extensions", "reason"),
    [
        (mail(), Extensions(), ""),
        (mail(), Extensions(size=len(PLAIN)), ""),
        (mail(), Extensions(size=len(PLAIN) - 1), "too-large"),
        (mail(EIGHT_BIT), Extensions(eight_bit_mime=True), ""),
        (mail(EIGHT_BIT), Extensions(), "8bitmime-not-offered"),
        (mail(UTF8_HEADER), Extensions(eight_bit_mime=True), "smtputf8-not-offered"),
        (mail(UTF8_HEADER), Extensions(eight_bit_mime=True, smtputf8=True), ""),
        (mail(sender="jürgen@b.test"), Extensions(), "smtputf8-not-offered"),
    ],
)
def test_what_a_server_cannot_take_is_seen_before_anything_is_sent(
    message: Mail, extensions: Extensions, reason: str
) -> None:
    assert obstacle(message, extensions) == reason


@pytest.mark.parametrize(
    ("message", "extensions", "line"),
    [
        (mail(), Extensions(), "MAIL FROM:<a@b.test>"),
        (mail(), Extensions(size=999), "MAIL FROM:<a@b.test> SIZE=20"),
        (
            mail(EIGHT_BIT),
            Extensions(eight_bit_mime=True),
            "MAIL FROM:<a@b.test> BODY=8BITMIME",
        ),
        (
            mail(sender="jürgen@b.test"),
            Extensions(smtputf8=True),
            "MAIL FROM:<jürgen@b.test> SMTPUTF8",
        ),
        (
            mail(notify="success,failure"),
            Extensions(dsn=True),
            "MAIL FROM:<a@b.test> RET=HDRS",
        ),
        (mail(notify="never"), Extensions(dsn=True), "MAIL FROM:<a@b.test>"),
    ],
)
def test_parameters_follow_what_the_server_offers(
    message: Mail, extensions: Extensions, line: str
) -> None:
    assert first_lines(message, extensions)[0] == line


def test_delivery_reports_are_asked_of_servers_that_know_them() -> None:
    wanted = mail(notify="success,delay")
    line = first_lines(wanted, Extensions(dsn=True))[1]
    assert line == "RCPT TO:<x@y.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y.test"
    assert first_lines(wanted, Extensions())[1].endswith("<x@y.test>")


def test_a_delivery_report_will_name_the_message() -> None:
    wanted = Mail(
        Envelope("a@b.test", ("x+y@z.test", "jürgen@z.test"), ("failure",)), PLAIN, "<1=2@b.test>"
    )
    first, second, third = first_lines(wanted, Extensions(dsn=True, smtputf8=True))
    assert first.endswith(" RET=HDRS ENVID=1+3D2@b.test")
    assert second.endswith(" ORCPT=rfc822;x+2By@z.test")
    assert third.endswith(" NOTIFY=FAILURE")
    endless = structs.replace(wanted, message_id=f"<{'x' * 120}@b.test>")
    assert "ENVID" not in first_lines(endless, Extensions(dsn=True, smtputf8=True))[0]


def test_a_mail_for_all_its_recipients_is_itself() -> None:
    whole = mail()
    assert whole.only(("x@y.test",)) is whole
    assert whole.only(()).envelope.recipients == ()
