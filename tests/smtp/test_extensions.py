import pytest

from nexomailer_cli.smtp.extensions import Extensions, parse_extensions
from nexomailer_cli.smtp.reply import Reply

EXIM = (
    "exim.test Hello me [127.0.0.1]",
    "SIZE 52428800",
    "LIMITS MAILMAX=20 RCPTMAX=50",
    "8BITMIME",
    "DSN",
    "PIPELINING",
    "PIPECONNECT",
    "AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2",
    "CHUNKING",
    "STARTTLS",
    "SMTPUTF8",
    "HELP",
)


def parse(*lines: str) -> Extensions:
    return parse_extensions(Reply(250, "", ("host.test", *lines)))


def test_every_extension_that_counts_is_found() -> None:
    assert parse_extensions(Reply(250, "", EXIM)) == Extensions(
        pipelining=True,
        chunking=True,
        eight_bit_mime=True,
        smtputf8=True,
        dsn=True,
        starttls=True,
        size=52428800,
        max_recipients=50,
        max_mails=20,
        auth=("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"),
    )


def test_the_greeting_line_announces_nothing() -> None:
    assert parse_extensions(Reply(250, "", ("STARTTLS",))) == Extensions()


def test_keywords_have_no_case_and_blank_lines_count_for_nothing() -> None:
    assert parse("pipelining", "", "Size 10", "Auth plain") == Extensions(
        pipelining=True, size=10, auth=("PLAIN",)
    )


@pytest.mark.parametrize("line", ["SIZE", "SIZE 0", "SIZE many", "SIZE -1", "SIZE " + "9" * 30])
def test_a_size_that_is_no_limit_is_none(line: str) -> None:
    assert parse(line).size is None


def test_the_old_spelling_of_auth_adds_no_mechanism_twice() -> None:
    assert parse("AUTH LOGIN PLAIN", "AUTH=LOGIN PLAIN").auth == ("LOGIN", "PLAIN")
