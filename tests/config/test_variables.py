from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.config.variables import VariableError, check, escape, expand

ENV = {"USER_NAME": "ops", "EMPTY": "", "NESTED": "${USER_NAME}"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${USER_NAME}@example.com", "ops@example.com"),
        ("${USER_NAME}${USER_NAME}", "opsops"),
        ("[${EMPTY}]", "[]"),
        ("$USER_NAME $ $$ {USER_NAME}", "$USER_NAME $ $$ {USER_NAME}"),
        ("$${USER_NAME}", "${USER_NAME}"),
        ("$$${USER_NAME}", "$${USER_NAME}"),
        ("${NESTED}", "${USER_NAME}"),
    ],
)
def test_only_a_name_in_dollar_braces_is_replaced(text: str, expanded: str) -> None:
    assert expand(text, ENV) == expanded


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(VariableError, match="environment variable NOWHERE is not set"):
        expand("${NOWHERE}", ENV)


@pytest.mark.parametrize(
    "text", ["${", "hunter2${x", "${hunter2 }", "${}", "${hunter2:-x}", "${a${b}"]
)
def test_a_broken_reference_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(VariableError) as caught:
        check(text)
    assert "hunter2" not in str(caught.value)


def test_checking_takes_unset_variables_and_escapes() -> None:
    check("${NOWHERE} $${ $")


@given(st.text(alphabet="${}aB "))
def test_escaped_text_expands_to_itself(text: str) -> None:
    assert expand(escape(text), {}) == text
