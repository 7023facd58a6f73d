"""JSON as HTML."""

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.profiler import highlight as highlight_module
from observability.profiler.highlight import INDENT, MAX_HTML_LENGTH, MAX_INDENTED_DEPTH, MAX_TOKENS, highlight

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def text_of(highlighted: str) -> str:
    """Return the text that a browser shows."""
    return html.unescape(re.sub(r"<[^>]*>", "", highlighted))


@given(values)
def test_page_shows_the_json_unchanged(value: object) -> None:
    assert json.loads(text_of(highlight(json.dumps(value, ensure_ascii=False)))) == value


@given(st.text())
def test_text_does_not_become_markup(text: str) -> None:
    highlighted = highlight(json.dumps([text], ensure_ascii=False))
    assert set(re.findall(r"<[^>]*", highlighted)) <= {
        '<span class="text"',
        "</span",
        *re.findall(r"<a href[^>]*|</a", highlighted),
    }
    assert "<" not in re.sub(
        r'<span class="text">|</span>|<a href="(https?:/)?/[^"<>]*" rel="noreferrer">|</a>', "", highlighted
    )


@given(st.text(alphabet='[]{},:" \\0e-', max_size=40))
def test_text_that_is_not_json_is_shown(text: str) -> None:
    shown = text_of(highlight(text))
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", text)


def test_unmatched_brackets_do_not_change_the_indentation() -> None:
    assert text_of(highlight("]][1")).endswith("[\n  1")


def test_numbers_order_and_duplicate_keys_are_unchanged() -> None:
    assert text_of(highlight('{"b":1.50E+2,"a":12345678901234567890123,"b":[]}')).split() == [
        "{", '"b":', "1.50E+2,", '"a":', "12345678901234567890123,", '"b":', "[]", "}",
    ]  # fmt: skip


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u202e", "\u200b", "\ufeff", "\x7f"])
def test_invisible_character_is_shown_as_an_escape(character: str) -> None:
    highlighted = highlight(json.dumps([f"a{character}b"], ensure_ascii=False))
    assert f"a\\u{ord(character):04x}b" in highlighted
    assert character not in highlighted


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/?a=1&b=2",
        "https://example.com/é",
        "HTTPS://example.com",
        "/api/v1/books/4711/?a=1&b=2#c",
        "/a//b",
        "/",
    ],
)
def test_url_is_a_link(address: str) -> None:
    assert f'<a href="{html.escape(address)}" rel="noreferrer">' in highlight(json.dumps({"next": address}))


def test_url_with_escaped_slashes_is_a_link() -> None:
    assert '<a href="/api/v1/" rel="noreferrer">' in highlight('["\\/api\\/v1\\/"]')


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "http://a b", 'http://"onclick="x', "http://<b>", "see http://example.com", "httpx"]
)
def test_other_text_is_not_a_link(text: str) -> None:
    assert "<a " not in highlight(json.dumps({"next": text}))


@pytest.mark.parametrize(
    "text",
    ["//host/", "/\\host/", "/\t/host/", "/\n\\host/", "/a\\b", "/\u200b/host/", "\\\\host/", " /a", "/a b", "a/b"],
)
def test_path_that_may_leave_this_origin_is_not_a_link(text: str) -> None:
    assert "<a " not in highlight(json.dumps({"next": text}))


@given(st.text(alphabet="/\\\t\n\r\x00 .:@ah", min_size=1, max_size=8))
def test_path_never_leads_to_another_host(text: str) -> None:
    found = re.search(r'<a href="([^"]*)"', highlight(json.dumps([f"/{text}"])))
    # A browser parses a URL like this (https://url.spec.whatwg.org/#url-parsing).
    read = re.sub(r"[\t\n\r]", "", f"/{text}").replace("\\", "/")
    assert found is None or not read.startswith("//")


def test_key_is_not_a_link() -> None:
    assert "<a " not in highlight('{"http://example.com": 1}')


def test_indentation_is_limited() -> None:
    highlighted = highlight("[" * 5_000)
    assert len(highlighted) < 5_000 * (len(INDENT) * MAX_INDENTED_DEPTH + 2)


@pytest.mark.parametrize("text", ["[" * 4_000, '{"a":' * 4_000, "1," * 4_000, '["a"],' * 2_000])
def test_text_after_the_token_limit_is_plain(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    # Use a hundredth of the limits, which takes a hundredth of the time.
    monkeypatch.setattr(highlight_module, "MAX_TOKENS", MAX_TOKENS // 100)
    monkeypatch.setattr(highlight_module, "MAX_HTML_LENGTH", MAX_HTML_LENGTH // 100)
    highlighted = highlight(text)
    styled, _, rest = highlighted.partition('<span class="as-sent">')
    assert len(styled) <= MAX_HTML_LENGTH // 100 + 1_000
    assert styled.count("<span") <= MAX_TOKENS // 100
    assert text.endswith(text_of(rest))
    assert re.sub(r"\s", "", text_of(highlighted)) == text


@pytest.mark.parametrize("text", ['"' + "x" * 1_000_000, '"' + "\\\\" * 500_000, '"' + "\\n" * 500_000 + '"'])
def test_one_very_long_string_is_shown(text: str) -> None:
    assert text_of(highlight(text)) == text
