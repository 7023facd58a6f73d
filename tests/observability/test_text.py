"""Truncated text, counts with a noun, objects that cannot be converted to text, and text for a terminal."""

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.text import (
    EscapingStream,
    escape_controls,
    escape_lines,
    exception_type_name,
    format_count,
    safe_repr,
    safe_str,
    truncate,
)

# Any text, with all control characters and lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=()))
# The categories of characters that end a line or begin an escape sequence.
CONTROLS = {"Cc", "Cs", "Zl", "Zp"}


class UnprintableError(Exception):
    """An exception whose `__str__` and `__repr__` raise."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(("text", "shortened"), [("", ""), ("abcd", "abcd"), ("abcde", "abc…")])
def test_longer_text_is_cut_to_the_limit(text: str, shortened: str) -> None:
    assert truncate(text, 4) == shortened


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 queries"), (1, "1 query"), (2, "2 queries"), (1_000_000, "1,000,000 queries")]
)
def test_count_has_a_singular_or_plural_noun(count: int, text: str) -> None:
    assert format_count(count, "query", "queries") == text


def test_plural_ends_with_s_by_default() -> None:
    assert format_count(3, "record") == "3 records"


def test_object_that_cannot_be_converted_becomes_its_type_name() -> None:
    error = UnprintableError()
    assert (safe_str(error), safe_repr(error)) == ("<unprintable UnprintableError>", "UnprintableError")
    assert (safe_str(7), safe_repr(ValueError("x"))) == ("7", "ValueError('x')")


def test_exception_type_name_includes_the_module() -> None:
    assert exception_type_name(ValueError) == "ValueError"
    assert exception_type_name(UnprintableError) == f"{__name__}.UnprintableError"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x07\x9b\x7f", "\\x07\\x9b\\x7f"),
        ("\u202egnp\u2066\u061c", "\\u202egnp\\u2066\\u061c"),
        ("\u2028\ud83d", "\\u2028\\ud83d"),
        ("Łódź 车 😀", "Łódź 车 😀"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert escape_controls(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_escaped_text_has_no_control_characters(text: str) -> None:
    assert not {unicodedata.category(character) for character in escape_controls(text)} & CONTROLS
    assert not {unicodedata.bidirectional(character) for character in escape_controls(text)} & {
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
    }  # fmt: skip


@given(TEXTS)
def test_escaped_lines_have_no_control_character_but_line_breaks(text: str) -> None:
    lines = escape_lines(text, "  ").split("\n")
    assert lines == [escape_controls(line) for line in lines]
    assert all(line.startswith("  ") for line in lines[1:])


@given(TEXTS)
def test_escaping_stream_writes_no_control_character(text: str) -> None:
    # Styles are allowed, so the text has no escape character here.
    stream = io.StringIO()
    EscapingStream(stream).write(text.replace("\x1b", "\x9b"))
    assert escape_controls(stream.getvalue().replace("\n", "").replace("\t", "")) == stream.getvalue().replace(
        "\n", ""
    ).replace("\t", "")


@pytest.mark.parametrize("style", ["\x1b[m", "\x1b[0m", "\x1b[31;1m", "\x1b[1;35m", "\x1b[96m"])
def test_escaping_stream_writes_colors_and_styles(style: str) -> None:
    stream = io.StringIO()
    EscapingStream(stream).writelines([f"{style}a\n", "\tb"])
    assert stream.getvalue() == f"{style}a\n\tb"


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[2J",
        "\x1b]52;c;eA==\x07",
        "\x1b]0;title\x1b\\",
        "\x1b[8m",
        "\x1b[1A\r",
        "\x1bc",
        "\x9b31m",
        "\x1b[31",
        "\x1b",
    ],
)
def test_escaping_stream_escapes_other_sequences(sequence: str) -> None:
    stream = io.StringIO()
    assert EscapingStream(stream).write(f"a{sequence}b") == len(sequence) + 2
    assert stream.getvalue() == f"a{escape_controls(sequence)}b"


def test_escaping_stream_has_the_attributes_of_its_stream() -> None:
    assert not EscapingStream(io.StringIO()).isatty()
