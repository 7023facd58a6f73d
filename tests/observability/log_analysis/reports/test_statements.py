"""`logs statements`: the logged queries by statement."""

from pathlib import Path
from typing import Any

import pytest

from observability.log_analysis.reports.statements import ORDERS, statements
from observability.log_analysis.terminal import Terminal
from tests.observability.log_analysis.records import PLAIN, database_of, query, record, request, write


def statement_rows(directory: Path, by: str = "time", limit: int = 0) -> list[dict[str, Any]]:
    with database_of(directory) as database:
        return list(statements(database, PLAIN, by=by, limit=limit).rows)


def test_lists_of_values_of_any_length_are_one_statement(log_dir: Path) -> None:
    texts = ("SELECT 1 WHERE id IN (%s)", "SELECT 1 WHERE id IN (%s, %s)", "SELECT 2")
    write(log_dir, *(query(db__query__text=text) for text in texts), name="sql.jsonl")
    assert {row["statement"]: row["queries"] for row in statement_rows(log_dir)} == {
        "SELECT 1 WHERE id IN (…)": 2,
        "SELECT 2": 1,
    }


def test_place_is_the_line_of_code_that_runs_most_of_the_queries(log_dir: Path) -> None:
    write(log_dir, query(code__line__number=1), *(query(code__line__number=48) for _ in range(2)), name="sql.jsonl")
    assert [row["place"] for row in statement_rows(log_dir)] == ["library/reports.py:48 report"]


def test_queries_of_packages_have_no_place(log_dir: Path) -> None:
    nowhere: dict[str, Any] = {"code__file__path": None, "code__line__number": None, "code__function__name": None}
    write(log_dir, query(**nowhere), name="sql.jsonl")
    with database_of(log_dir) as database:
        report = statements(database, PLAIN, by="time", limit=0)
    assert "(package code)" in report.lines[1]


def test_request_of_the_slowest_query_is_the_example(log_dir: Path) -> None:
    write(log_dir, query(0, "quick", duration_ms=1.0), query(1, "slow", duration_ms=900.0), name="sql.jsonl")
    assert [(row["request_id"], row["requests"], row["max_ms"]) for row in statement_rows(log_dir)] == [
        ("slow", 2, 900.0)
    ]


def test_main_log_is_read_if_there_is_no_sql_log(log_dir: Path) -> None:
    write(log_dir, query(), request(), record(1))
    assert [row["queries"] for row in statement_rows(log_dir)] == [1]


@pytest.mark.parametrize("by", ORDERS)
def test_statements_are_ordered_by_the_requested_number(log_dir: Path, by: str) -> None:
    for text, factor in (("SELECT low", 1), ("SELECT high", 9), ("SELECT middle", 3)):
        write(log_dir, *(query(db__query__text=text, duration_ms=100.0 * factor) for _ in range(factor)))
    assert [row["statement"] for row in statement_rows(log_dir, by)] == ["SELECT high", "SELECT middle", "SELECT low"]


def test_summary_shows_how_many_of_the_queries_were_slow(log_dir: Path) -> None:
    write(log_dir, query(0), query(1, event="query", level="debug"), name="sql.jsonl")
    with database_of(log_dir) as database:
        report = statements(database, PLAIN, by="time", limit=0)
    assert report.summary == "2 logged queries, 2026-01-05 08:30:00 to 08:30:01 UTC, 1 of them slow."


def test_summary_without_logged_queries_says_so(log_dir: Path) -> None:
    write(log_dir, request())
    with database_of(log_dir) as database:
        report = statements(database, PLAIN, by="time", limit=0)
    assert (report.summary, report.lines) == ("No logged queries.", [])


@pytest.mark.parametrize("width", [40, 80])
def test_statements_fit_the_terminal_and_have_no_control_characters(log_dir: Path, width: int) -> None:
    text = f"SELECT\t'\x1b[2J\u202e' {'车' * 90} " + "word " * 90
    write(log_dir, query(db__query__text=text, code__file__path=text, duration_ms=9_000.0), name="sql.jsonl")
    with database_of(log_dir) as database:
        lines = statements(database, Terminal(width, has_colors=False), by="time", limit=0).lines
    assert all(len(line) + line.count("车") <= width for line in lines)
    assert not set("".join(lines)) & set("\x1b\t\u202e")
