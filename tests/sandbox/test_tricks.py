from __future__ import annotations

import pytest

from nexomailer_cli.sandbox.tricks import TRICKS, Trick, find_trick
from nexomailer_cli.smtp.reply import parse_reply


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.address)
def test_every_trick_is_found_by_its_address_at_its_moment_only(trick: Trick) -> None:
    found = [find_trick(trick.address, moment=moment) for moment in ("mail", "rcpt", "data")]
    assert [trick] == [one for one in found if one]
    assert find_trick(trick.address, moment=trick.moment) is trick


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.address)
def test_every_refusal_has_an_enhanced_code_of_its_own_class(trick: Trick) -> None:
    code, _, text = trick.reply.partition(" ")
    assert not trick.reply or parse_reply(int(code), (text,)).enhanced
    assert trick.reply or trick.hangs_up


@pytest.mark.parametrize("address", ["Reject@Sandbox.TEST", "reject+anna@sandbox.test"])
def test_case_and_tags_do_not_matter(address: str) -> None:
    trick = find_trick(address, moment="rcpt")
    assert trick is not None
    assert trick.local_part == "reject"


@pytest.mark.parametrize(
    "address", ["reject@example.org", "anna@sandbox.test", "reject", "", "a@reject@sandbox.test"]
)
def test_everybody_else_is_left_in_peace(address: str) -> None:
    assert find_trick(address, moment="rcpt") is None
