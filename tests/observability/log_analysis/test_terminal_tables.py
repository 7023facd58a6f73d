"""Tables fit their terminal."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.log_analysis.terminal import TableColumn, Terminal, display_width, fits_terminal, render_table

ROWS = [{"name": "/books/<isbn>/", "count": "7", "p95": "12 ms"}, {"name": "/", "count": "1,234", "p95": ""}]
FIELDS = [
    TableColumn("route", lambda row: row["name"], is_text=True),
    TableColumn("requests", lambda row: row["count"]),
    TableColumn("p95", lambda row: row["p95"], importance=1),
]
TEXTS = st.text(max_size=80) | st.text("/abc车😀é\u0301\u202e\x1b\t\r", max_size=60)


def drawn(rows: list[dict[Any, Any]], fields: list[TableColumn], width: int | None) -> list[str]:
    return render_table(rows, fields, Terminal(width, has_colors=False))


def test_text_is_aligned_left_and_numbers_right() -> None:
    assert drawn(ROWS, FIELDS, None) == [
        "route           requests    p95",
        "/books/<isbn>/         7  12 ms",
        "/                  1,234",
    ]


def test_less_important_columns_are_left_out_first() -> None:
    assert drawn(ROWS, FIELDS, 24)[0] == "route           requests"


def test_text_is_cut_in_its_middle() -> None:
    rows = [{"name": "/api/v1/books/<str:isbn>/loans/", "count": "7", "p95": ""}]
    assert drawn(rows, FIELDS, 40)[1].split("  ")[0] == "/api/v1/books/<…n>/loans/"


def test_wide_letters_take_two_columns() -> None:
    rows = [{"name": "车辆", "count": "7", "p95": ""}, {"name": "e\u0301tat", "count": "8", "p95": ""}]
    assert drawn(rows, FIELDS, None)[1:] == ["车辆          7", "e\u0301tat          8"]


def test_table_without_rows_is_its_headings() -> None:
    assert drawn([], FIELDS, 80) == ["route  requests  p95"]


def test_cell_is_styled_in_a_color_terminal() -> None:
    fields = [TableColumn("n", lambda row: row["n"], style=lambda _: ("red",))]
    assert render_table([{"n": "1"}], fields, Terminal(80, has_colors=True))[1] == "\x1b[31m1\x1b[0m"


def test_control_characters_in_a_heading_are_escaped() -> None:
    assert drawn([], [TableColumn("\x1b[2J", str)], None) == ["\\x1b[2J"]


@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS, st.integers(0, 10**9), st.integers(0, 10**20)), max_size=5),
    width=st.sampled_from([40, 80, 140]),
)
def test_lines_fit_the_terminal_and_have_no_control_characters(
    rows: list[tuple[str, str, int, int]], width: int
) -> None:
    fields = [
        TableColumn("车 first", lambda row: row[0], is_text=True),
        TableColumn("second", lambda row: row[1], importance=2, is_text=True),
        TableColumn("number", lambda row: str(row[2])),
        TableColumn("further", lambda row: f"{row[3]:,}", importance=1),
    ]
    lines = drawn([dict(enumerate(row)) for row in rows], fields, width)
    assert len(lines) == len(rows) + 1
    assert max(map(display_width, lines)) <= width
    assert all(line.isprintable() or not set(line) & set("\x1b\x07\r\n\t\u202e\u2066\x9b") for line in lines)


@given(rows=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=3), width=st.sampled_from([40, 80]))
def test_rows_fit_if_fits_terminal_says_so(rows: list[tuple[str, str, str]], width: int) -> None:
    fields = [
        TableColumn("a", lambda row: row[0], is_text=True),
        TableColumn("b", lambda row: row[1]),
        TableColumn("c", lambda row: row[2]),
    ]
    some = [dict(enumerate(row)) for row in rows]
    has_room = fits_terminal(some, fields, Terminal(width, has_colors=False))
    longest = max(map(display_width, drawn(some, fields, width)))
    assert longest <= width or not has_room


@pytest.mark.parametrize("width", [None, 80])
def test_short_rows_fit(width: int | None) -> None:
    assert fits_terminal(ROWS, FIELDS, Terminal(width, has_colors=False))
