"""Addresses: what is one, what is not, and that no input takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.errors import AddressError
from nexomailer_cli.message.address import parse_address, parse_addresses
from nexomailer_cli.message.characters import describe, shown
from nexomailer_cli.message.draft import Address


@pytest.mark.parametrize(
    ("text", "spec", "name"),
    [
        ("jane@example.org", "jane@example.org", ""),
        ("  jane@example.org ", "jane@example.org", ""),
        ("<jane@example.org>", "jane@example.org", ""),
        ("root@localhost", "root@localhost", ""),
        ("o'neil+tag=x/y@Example.ORG", "o'neil+tag=x/y@Example.ORG", ""),
        ("user@[192.0.2.1]", "user@[192.0.2.1]", ""),
        ("user@[IPv6:2001:db8::1]", "user@[IPv6:2001:db8::1]", ""),
        ('"john..doe"@example.org', '"john..doe"@example.org', ""),
        ('"john doe"@example.org', '"john doe"@example.org', ""),
        ("a@1.2.3.example", "a@1.2.3.example", ""),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example", ""),
        ("Jane Doe <jane@example.org>", "jane@example.org", "Jane Doe"),
        ("Jane  D.  Doe< jane@example.org >", "jane@example.org", "Jane D. Doe"),
        ('"Doe, Jane" <j@x.example>', "j@x.example", "Doe, Jane"),
        (r'"Jane \"Jay\" \\ <a@b>" <j@x.example>', "j@x.example", r'Jane "Jay" \ <a@b>'),
        ('Jane "Jay" Doe <j@x.example>', "j@x.example", "Jane Jay Doe"),
        ("Jürgen Ä. <j@x.example>", "j@x.example", "Jürgen Ä."),
        ("Anna 👩\u200d💻 <a@x.example>", "a@x.example", "Anna 👩\u200d💻"),
    ],
)
def test_an_address_as_people_write_it(text: str, spec: str, name: str) -> None:
    assert parse_address(text) == Address(spec, name)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@例え。テスト", "a@xn--r8jz45g.xn--zckzah"),
        ("a@ｅｘａｍｐｌｅ．com", "a@example.com"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
    ],
)
def test_a_domain_becomes_a_labels_and_a_local_part_stays(text: str, spec: str) -> None:
    assert parse_address(text).spec == spec


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("jane", "no @"),
        ("@example.org", "before the @"),
        ("jane@", "nothing follows"),
        ("a@@x.example", "more than one @"),
        ("a@b@x.example", "more than one @"),
        ("a b@x.example", "space at character 2"),
        ("a@ x.example", "space at character 3"),
        (".a@x.example", "dot"),
        ("a.@x.example", "dot"),
        ("a..b@x.example", "dot"),
        ("a@.x", "dot"),
        ("a@x.", "dot"),
        ("a@x..y", "dot"),
        ("a@-x.example", "hyphen"),
        ("a@x-.example", "hyphen"),
        ("a@" + "x" * 64 + ".example", "63 octets"),
        ("a@x_y.example", "'_'"),
        ("a@192.0.2.1", "square brackets"),
        ("a@[192.0.2.256]", "literal"),
        ("a@[IPv6:zz]", "literal"),
        ("a@[192.0.2.1", "literal"),
        ("a@[x]", "literal"),
        ("user@good(x)evil", "comment"),
        ("(x)user@good.example", "comment"),
        ("alice@example.org)bob@example.org", "more than one @"),
        ("@r1,@r2:a@b.example", "route"),
        ("<@r1,@r2:a@b.example>", "bracket"),
        ("<@r1:a@b.example>", "route"),
        ("friends: a@x.example;", "group"),
        ("<a@b.example", "bracket"),
        ("a@b.example>", "bracket"),
        ("a@b.example> SIZE=1", "bracket"),
        ("<a@b.example> x", "bracket"),
        ("<<a@b.example>>", "bracket"),
        ('"a@evil.example x"@ok.example', "hides"),
        ('"a\\"b"@ok.example', "hides"),
        ('"a,b"@ok.example', "hides"),
        ('""@ok.example', "hides"),
        ('"a@ok.example', "never closed"),
        ('a"b"@ok.example', "quotation mark"),
        ("=?utf-8?q?a?=@ok.example", "encoded-word"),
        ("Doe, Jane <j@x.example>", "no @"),
        ("Jane (Sales) <j@x.example>", "in the name"),
        ("bob@x.example <j@x.example>", "in the name"),
        ("a@x.example, b@x.example", "one address is expected"),
        ("jane\\@x.example", "character 5"),
        ("a" * 65 + "@x.example", "64 octets"),
        ("ä" * 33 + "@x.example", "64 octets"),
        ("a@" + "x." * 130 + "example", "255 octets"),
        ("a@" + "ä." * 300 + "example", "255 octets"),
        ("a" * 64 + "@" + "x" * 63 + "." + "y" * 63 + "." + "z" * 63, "254 octets"),
        ("a\u0308@x.example", "normalization form C"),
        ("a\u00a0b@x.example", "U+00A0"),
        ("a\u200db@x.example", "U+200D"),
        ("a@x\u200dy.example", "U+200D"),
        ("a@\u00e4-.example", "IDNA"),
        ("a@☃.example", "IDNA"),
        ("a@ä_b.example", "IDNA"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "character",
    "\0\t\n\v\f\r\x1b\x1f\x7f\x80\x85\x9b\u2028\u2029\u202e\u2066\u200b\u200e\u2060\ufeff\u00ad"
    "\u061c\udce9\U000e0041",
)
def test_hidden_characters_are_refused_wherever_they_stand(character: str) -> None:
    for text in (
        f"{character}a@x.example",
        f"a{character}@x.example",
        f"a@x{character}.example",
        f"a@x.example{character}",
        f"Ja{character}ne <a@x.example>",
        f'"Ja{character}ne" <a@x.example>',
    ):
        with pytest.raises(AddressError) as caught:
            parse_addresses(text)
        assert str(caught.value).isprintable()


def test_command_injection_is_refused() -> None:
    with pytest.raises(AddressError, match=r"carriage return at character 13"):
        parse_address("a@b.example>\r\nRCPT TO:<x@y.example")


def test_a_list_is_split_at_commas_and_semicolons() -> None:
    text = 'A <a@x.example>, b@x.example; "C, D; E" <c@x.example>;;,'
    assert parse_addresses(text) == (
        Address("a@x.example", "A"),
        Address("b@x.example"),
        Address("c@x.example", "C, D; E"),
    )


@pytest.mark.parametrize("text", ["", "  ", ",", " ; , "])
def test_blank_text_is_an_empty_list(text: str) -> None:
    assert parse_addresses(text) == ()


def test_an_encoded_word_is_taken_literally() -> None:
    text = "=?utf-8?q?a=2C_b=40evil=2Eexample?= <a@x.example>"
    assert parse_address(text).name == "=?utf-8?q?a=2C_b=40evil=2Eexample?="


def test_an_unquoted_comma_in_a_name_says_what_to_do() -> None:
    with pytest.raises(AddressError) as caught:
        parse_addresses("Doe, Jane <j@x.example>")
    assert "'Doe'" in str(caught.value)
    assert "quotation marks" in caught.value.hint


def test_a_long_text_is_shortened_in_the_message() -> None:
    with pytest.raises(AddressError) as caught:
        parse_address("x" * 10_000)
    assert len(str(caught.value)) < 200


def test_a_hidden_character_has_a_name() -> None:
    assert describe("\n") == "a line feed"
    assert describe("\u202e") == "the hidden character U+202E"
    assert describe("\udce9") == "a byte that is not UTF-8"
    assert shown("a\u202eb") == "'a\\u202eb'"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "<" * 1_000_000,
        '"' * 1_000_000,
        '"\\"' * 300_000,
        "@" * 1_000_000,
        "." * 1_000_000,
        "a." * 500_000 + "@x",
        "x@" + "a-" * 500_000,
        "a@" + "ä" * 1_000_000,
        "a@" + "ä." * 100_000,
        "a " * 500_000 + "<a@x.example>",
        '"a" ' * 200_000 + "<a@x.example>",
        '"' + "\\\\" * 500_000,
        "a@x.example, " * 80_000,
        '"a,b" <a@x.example>;' * 50_000,
        "," * 1_000_000,
        "g:" * 500_000 + ";" * 500_000,
    ],
    ids=lambda text: text[:6],
)
def test_no_input_takes_longer_than_its_length_explains(text: str) -> None:
    started = time.process_time()
    try:
        parse_addresses(text)
    except AddressError as exc:
        assert len(str(exc)) < 600
    assert time.process_time() - started < 3


@settings(max_examples=300)
@given(st.text(st.sampled_from(' abä.@<>"\\,;:()[]=?\n\u200b'), max_size=24))
def test_what_is_accepted_is_accepted_again_as_itself(text: str) -> None:
    try:
        addresses = parse_addresses(text)
    except AddressError:
        return
    for address in addresses:
        assert parse_addresses(address.spec) == (Address(address.spec),)
        assert parse_address(f"<{address.spec}>") == Address(address.spec)
        assert not set("\r\n<>,;:()\\") & set(address.spec)


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError as exc:
        assert str(exc).replace("…", "").isprintable()
    else:
        assert "@" in address.spec
