"""Width and colors of a terminal."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.log_analysis.terminal import (
    MIN_WIDTH,
    Terminal,
    display_width,
    truncate_middle,
    wrap,
)

TEXTS = st.text() | st.text("ab /车😀é\u0301\u200d", max_size=60)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def test_file_has_no_colors_and_no_width() -> None:
    assert Terminal.of(io.StringIO()) == Terminal(None, has_colors=False)


def test_terminal_has_colors_and_the_width_of_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "123")
    assert Terminal.of(Screen()) == Terminal(123, has_colors=True)


@pytest.mark.parametrize(("written", "width"), [("100", 100), ("3", MIN_WIDTH), ("wide", None), ("", None)])
def test_width_of_columns_applies_to_a_file(monkeypatch: pytest.MonkeyPatch, written: str, width: int | None) -> None:
    monkeypatch.setenv("COLUMNS", written)
    assert Terminal.of(io.StringIO()).width == width


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Terminal.of(Screen(), no_color=True).has_colors
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Terminal.of(Screen()).has_colors
    assert Terminal.of(io.StringIO(), force_color=True).has_colors


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("abc", 3), ("车辆", 4), ("😀", 2), ("e\u0301", 1), ("a\u200db", 2), ("ｗ", 2), ("…é", 2)],
)
def test_width_is_that_of_a_terminal(text: str, width: int) -> None:
    assert display_width(text) == width


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", None, "abc"),
        ("abc", 3, "abc"),
        ("abcdef", 5, "abc…f"),
        ("/api/v1/books/", 10, "/api/v…ks/"),
        ("车辆车辆车辆", 6, "车…辆"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_text_is_cut_in_its_middle(text: str, width: int | None, shown: str) -> None:
    assert truncate_middle(text, width) == shown


@given(TEXTS, st.integers(0, 50))
def test_cut_text_fits(text: str, width: int) -> None:
    assert display_width(truncate_middle(text, width)) <= width


@given(TEXTS, st.integers(2, 50))
def test_wrapped_text_fits_and_is_whole(text: str, width: int) -> None:
    lines = list(wrap(text, width))
    assert all(display_width(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_text_is_wrapped_at_spaces() -> None:
    assert list(wrap("SELECT one, two FROM books", 12)) == ["SELECT one,", "two FROM", "books"]
