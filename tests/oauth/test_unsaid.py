from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.oauth.unsaid import unsaid

SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=6, max_size=60)
AROUND = st.text("abc \n:=&", max_size=8)


@given(secret=SECRETS, before=AROUND, behind=AROUND)
def test_no_form_of_a_secret_is_left(secret: str, before: str, behind: str) -> None:
    encoded = base64.b64encode(f"{before}{secret}{behind}".encode()).decode()
    for form in (secret, quote(secret), quote_plus(secret), quote(secret).lower(), encoded):
        if form != form.lower() or form in (secret, encoded):
            assert form not in unsaid(f"{before}{form}{behind}", [secret, secret.lower()])


@pytest.mark.parametrize("changed", ["a%2fb c", "a%2Fb+c", "a/b c", "a b?c"])
def test_what_is_no_letter_may_have_been_changed_on_the_way(changed: str) -> None:
    assert unsaid(f"<{changed}>", ["a/b c"]) == "<***>"


def test_words_without_a_secret_are_left_alone() -> None:
    assert unsaid("Token has expired.", ["", "a/b c"]) == "Token has expired."


def test_a_secret_of_signs_only_is_taken_for_what_it_is() -> None:
    assert unsaid("a //// b", ["////"]) == "a *** b"
