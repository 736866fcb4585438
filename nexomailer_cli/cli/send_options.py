"""What `send` was asked for, as it was typed."""

from __future__ import annotations

from msgspec import Struct


class SendOptions(Struct, frozen=True, kw_only=True):
    """The options of `send`. A tuple is an option that may be repeated."""

    sender: str | None = None
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    markdown: str | None = None
    attach: tuple[str, ...] = ()
    inline: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    template: str | None = None
    var: tuple[str, ...] = ()
    vars_file: str | None = None
    raw: str | None = None
    provider: str | None = None
    failover: bool = True
    only_4: bool = False
    only_6: bool = False
    deadline: str | None = None
    retry_for: str | None = None
    dry_run: bool = False
    output_file: str | None = None
    list_unsubscribe: tuple[str, ...] = ()
    message_id: str | None = None
    in_reply_to: str | None = None
    envelope_from: str | None = None
    dsn: str | None = None
    sandbox: bool = False
    as_json: bool = False
