"""A list of people over aiosmtplib: one client per connection, jinja2, EmailMessage, uvloop.

Usage: python crowd_aiosmtplib.py PORT CONNECTIONS CSV TEXT_TEMPLATE HTML_TEMPLATE [CA_FILE]
"""

from __future__ import annotations

import asyncio
import csv
import ssl
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING

import aiosmtplib
import jinja2
import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SENDER = "sender@example.org"


def main(port: str, connections: str, table: str, text: str, html: str, ca: str = "") -> None:
    """Share the rows out to the connections."""
    context = ssl.create_default_context(cafile=ca) if ca else None
    compose = composer(Path(text).read_text(), Path(html).read_text())

    async def everything(rows: Iterator[dict[str, str]]) -> None:
        work = (send(int(port), context, rows, compose) for _ in range(int(connections)))
        await asyncio.gather(*work)

    with Path(table).open(newline="") as file:
        uvloop.run(everything(csv.DictReader(file)))


async def send(
    port: int,
    context: ssl.SSLContext | None,
    rows: Iterator[dict[str, str]],
    compose: Callable[[dict[str, str]], EmailMessage],
) -> None:
    """Send one row after the other until none is left."""
    async with aiosmtplib.SMTP(
        hostname="127.0.0.1",
        port=port,
        use_tls=context is not None,
        start_tls=False,
        tls_context=context,
        local_hostname="bench.example.org",
    ) as client:
        for row in rows:
            await client.send_message(compose(row))


def composer(text: str, html: str) -> Callable[[dict[str, str]], EmailMessage]:
    """Return what makes a message of a row."""
    plain = jinja2.Environment(autoescape=False)
    subject = plain.from_string("Your order {{ order }}, {{ name }}")
    in_text = plain.from_string(text)
    in_html = jinja2.Environment(autoescape=True).from_string(html)

    def compose(row: dict[str, str]) -> EmailMessage:
        message = EmailMessage()
        message["From"] = SENDER
        message["To"] = row["email"]
        message["Subject"] = subject.render(row)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="example.org")
        message["List-Unsubscribe"] = f"<https://example.org/u/{row['order']}>"
        message.set_content(in_text.render(row))
        message.add_alternative(in_html.render(row), subtype="html")
        return message

    return compose


if __name__ == "__main__":
    main(*sys.argv[1:])
