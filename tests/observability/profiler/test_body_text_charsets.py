"""The text of a JSON body in any charset."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observability.profiler.body_text import decode_text

TEXT = '{"name": "café"}'


def read(data: bytes, content_type: str = "application/json", *, is_cut: bool = False) -> tuple[str, str]:
    text, problems = decode_text(data, content_type, is_cut=is_cut)
    return text, " ".join(problems)


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", TEXT),
        ("UTF8", TEXT),
        ("iso-8859-1", TEXT),
        ("utf-16", TEXT),
        ("utf-16-le", TEXT),
        ("shift_jis", "トラック"),
    ],
)
@pytest.mark.parametrize("form", ["application/json; charset={}", 'text/json;Charset="{}"'])
def test_charset_of_content_type_is_used(charset: str, text: str, form: str) -> None:
    assert read(text.encode(charset), form.format(charset)) == (text, "")


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-16"])
def test_missing_charset_is_detected_with_a_notice(charset: str) -> None:
    text, problem = read(TEXT.encode(charset))
    assert text == TEXT
    assert "has no charset" in problem
    assert charset in problem


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_byte_order_mark_is_removed_with_a_notice(content_type: str) -> None:
    text, problem = read(b"\xef\xbb\xbf" + TEXT.encode(), content_type)
    assert text == TEXT
    assert "byte order mark" in problem


@pytest.mark.parametrize("name", ["klingon", "zlib", "rot13", "base64", "undefined", "idna", "punycode", "a\0b"])
def test_body_with_an_unknown_charset_is_decoded_as_utf_8_with_a_notice(name: str) -> None:
    text, problem = read(TEXT.encode(), f"application/json; charset={name}")
    assert text == TEXT
    assert f"unknown charset “{name}”" in problem


def test_bytes_that_cannot_be_decoded_are_replaced_with_a_notice() -> None:
    text, problem = read(b'"caf\xe9"', "application/json; charset=utf-8")
    assert text == '"caf\ufffd"'
    assert "not valid utf-8" in problem


def test_incomplete_character_at_the_cut_is_left_out() -> None:
    data = '"é'.encode()[:-1]
    assert read(data, is_cut=True) == ('"', "")
    assert read(data) == ('"\ufffd', "The body has bytes that are not valid utf-8. They are shown as \ufffd.")


@settings(deadline=None)  # tests do not depend on time
@given(st.binary(max_size=50), st.text(max_size=20), st.booleans())
def test_any_body_and_header_is_accepted(data: bytes, charset: str, is_cut: bool) -> None:
    decode_text(data, f"application/json; charset={charset}", is_cut=is_cut)
    decode_text(data, f"application/json; {charset}", is_cut=is_cut)
