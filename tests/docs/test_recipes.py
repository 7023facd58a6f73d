"""The commands of the page of recipes, run as they stand over a log as the service writes it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.docs import log_directory
from tests.docs.log_directory import STATEMENT, shell, write_all
from tests.server import ROOT

PAGE = (ROOT / "docs" / "recipes.md").read_text()
# Commands by the first three words of the paragraph above each.
RECIPE = r"(?<=\n\n)(\S+ \S+ \S+)[^\n]*(?:\n[^\n]+)*\n\n```sh\n(.*?)```"
RECIPES: dict[str, str] = dict(re.findall(RECIPE, PAGE, re.DOTALL))
# The words that lnav prints, line by line.
TABLES: dict[str, list[Sequence[str]]] = {
    "Routes by their": [
        ("route", "requests", "mean_ms", "p95_ms", "max_ms", "failures"),
        ("/report/", "4", "475", "1840", "1840", "3"),
        ("/api/v1/loans/", "2", "675.5", "730.5", "730.5", "0"),
        ("/api/v1/books/", "31", "11.2", "12.5", "41.25", "0"),
        ("/api/v1/books/<isbn>/", "1", "5", "5", "5", "0"),
    ],
    "The slowest requests:": [
        ("log_time", "duration_ms", "queries", "path", "request_id"),
        ("2026-01-05", "08:31:03.000", "1840", "48", "/report/", "report-1"),
        ("2026-01-05", "08:31:59.000", "730.5", "9", "/api/v1/loans/", "import-2"),
        ("2026-01-05", "08:31:01.000", "620.5", "9", "/api/v1/loans/", "import-1"),
    ],
    "Where the time": [
        ("route", "ms", "db_ms", "outgoing_ms"),
        ("/report/", "1900", "475", "0"),
        ("/api/v1/loans/", "1351", "337.8", "0"),
        ("/api/v1/books/", "71.8", "17.9", "0"),
        ("/api/v1/books/<isbn>/", "5", "1.3", "0"),
    ],
    "Everything of one": [
        ("08:31:57.000", "INFO", "request", "200", "41.250000", "2", "GET", "/api/v1/books/", "committed", "0f2a9c7e",
         "null"),
    ],
    "Routes that repeat": [("route", "requests", "repeated", "queries"), ("/report/", "1", "40", "48")],
    "The statements of": [
        ("times", "ms", "max_ms", "place", "statement"),
        ("2", "153", "152.5", "service/reports.py:48", *STATEMENT.split()),
    ],
    "Exceptions, and when": [
        ("times", "last", "type", "message"),
        ("2", "2026-01-05", "08:32:02.000", "ValueError", "no", "publishers"),
        ("1", "2026-01-05", "08:32:01.000", "RuntimeError", "no", "library"),
    ],
    "Requests and failures": [
        ("minute", "requests", "failures"),
        ("2026-01-05", "08:30:00.000", "21", "0"),
        ("2026-01-05", "08:31:00.000", "14", "0"),
        ("2026-01-05", "08:32:00.000", "3", "3"),
    ],
}  # fmt: skip

# What jq prints, value by value or, where that is text, line by line.
VALUES: dict[str, list[Any]] = {
    "Requests slower than": [[730.5, 9, "/api/v1/loans/", "import-2"]],
    "Errors by their": [{"ValueError": 2, "RuntimeError": 1}],
    "A line with": [15],
}
LINES = {"By status and": ["11 200 /api/v1/books/", "3 500 /report/", "1 201 /api/v1/loans/"]}
# Those with a test of their own.
OTHERS = {
    "Tell it once", "What a kill", "Everything about one", "Their stack traces,", "jq ends at", "To get back",
    "From the oldest",
}  # fmt: skip

pytestmark = pytest.mark.external("lnav", "jq")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a kill in the middle of a line."""
    return write_all(tmp_path_factory.mktemp("torn"), is_torn=True)


def request_ids(printed: str) -> list[str | None]:
    return [json.loads(line)["request_id"] for line in printed.splitlines()]


def test_every_recipe_of_the_page_is_run_here() -> None:
    assert len(RECIPES) == PAGE.count("```sh")
    assert TABLES.keys() | VALUES.keys() | LINES.keys() | OTHERS == RECIPES.keys()


def test_format_is_installed_by_the_command_of_the_page(tmp_path: Path) -> None:
    shell(RECIPES["Tell it once"], ROOT, tmp_path)
    assert [file.name for file in tmp_path.rglob("installed/*")] == ["vitrine_log.json"]


@pytest.mark.parametrize("words", TABLES)
def test_lnav_answers(lnav_home: Path, project: Path, words: str) -> None:
    printed = shell(RECIPES[words], project, lnav_home)
    assert [tuple(line.split()) for line in printed.splitlines()] == TABLES[words]


def test_lnav_answers_over_a_torn_line_too(lnav_home: Path, torn: Path) -> None:
    printed = shell(RECIPES["The slowest requests:"], torn, lnav_home)
    assert [tuple(line.split()) for line in printed.splitlines()] == TABLES["The slowest requests:"]


def test_lnav_shows_what_is_torn(lnav_home: Path, torn: Path) -> None:
    (row,) = json.loads(shell(RECIPES["What a kill"], torn, lnav_home))
    assert row["log_raw_text"].count('{"timestamp":') == 2
    assert '"request_id":"0f2a9c7e"' in row["log_raw_text"]


@pytest.mark.parametrize("words", VALUES)
def test_jq_answers(lnav_home: Path, project: Path, words: str) -> None:
    printed = shell(f"{RECIPES[words].rstrip()} | jq -s .", project, lnav_home)
    assert json.loads(printed) == VALUES[words]


@pytest.mark.parametrize("words", LINES)
def test_jq_prints(lnav_home: Path, project: Path, words: str) -> None:
    assert shell(RECIPES[words], project, lnav_home).splitlines() == LINES[words]


def test_jq_finds_the_lines_of_one_request(lnav_home: Path, project: Path) -> None:
    assert request_ids(shell(RECIPES["Everything about one"], project, lnav_home)) == ["0f2a9c7e"]


def test_jq_prints_stack_traces_as_python_does(lnav_home: Path, project: Path) -> None:
    printed = shell(RECIPES["Their stack traces,"], project, lnav_home).rstrip().split("\n\n")
    assert [trace.splitlines()[0].partition(" ")[2] for trace in printed] == ["Internal Server Error: /report/"] * 3
    assert [trace.splitlines()[1] for trace in printed] == ["Traceback (most recent call last):"] * 3
    assert [trace.splitlines()[-1] for trace in printed] == [
        "ValueError: no books", "RuntimeError: no library", "ValueError: no publishers",
    ]  # fmt: skip


def test_jq_passes_over_a_torn_line(lnav_home: Path, torn: Path) -> None:
    found = request_ids(shell(RECIPES["jq ends at"], torn, lnav_home))
    assert found[:3] == [None, "list-3", "import-2"]
    assert len(found) == len(log_directory.NEWEST) - 1


def test_jq_gets_back_the_line_behind_a_torn_one(lnav_home: Path, torn: Path) -> None:
    found = request_ids(shell(RECIPES["To get back"], torn, lnav_home))
    assert found[:3] == [None, "0f2a9c7e", "list-3"]
    assert len(found) == len(log_directory.NEWEST)


def test_line_behind_a_torn_one_is_got_back_whatever_letters_it_has(lnav_home: Path, tmp_path: Path) -> None:
    write_all(tmp_path)
    file = tmp_path / "var" / "log" / "service.jsonl"
    file.write_text('{"timestamp":"x","author":"Łódź 车{"timestamp":"y","request_id":"ź {\\"timestamp\\":"}\n')
    assert request_ids(shell(RECIPES["To get back"], tmp_path, lnav_home)) == ['ź {"timestamp":']


def test_all_files_are_read_from_the_oldest_to_the_newest(lnav_home: Path, torn: Path) -> None:
    printed = shell(RECIPES["From the oldest"], torn, lnav_home)
    times = [json.loads(line)["timestamp"] for line in printed.splitlines()]
    assert len(times) == len([*log_directory.OLDEST, *log_directory.OLDER, *log_directory.NEWEST])
    assert times == sorted(times)


def test_tenth_rotated_file_is_older_than_the_second(lnav_home: Path, torn: Path) -> None:
    directory = torn / "many"
    write_all(directory)
    log_dir = directory / "var" / "log"
    (log_dir / "service.jsonl.lock").write_text("1 2\n")
    log_directory.write(log_dir / "service.jsonl.10", log_directory.OLDER[:1])
    assert request_ids(shell(RECIPES["From the oldest"], directory, lnav_home))[:2] == ["import-1", "list-1"]
