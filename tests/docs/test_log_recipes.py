"""Run every command of docs/log-recipes.md over sample log files, and compare what it prints."""

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.docs import sample_logs
from tests.docs.sample_logs import (
    STATEMENT,
    make_record,
    request_record,
    run_shell,
    write_lines,
    write_sample_logs,
)
from tests.server import ROOT

PAGE = (ROOT / "docs" / "log-recipes.md").read_text()
BEFORE_RECIPES, *SECTIONS = PAGE.split("\n### ")
# The command of each recipe, by its heading.
RECIPES: dict[str, str] = {
    section.partition("\n")[0]: section.partition("```sh\n")[2].partition("```")[0] for section in SECTIONS
}
# The commands before the recipes: install the programs, install the format, open the log.
INSTALL_PROGRAMS, INSTALL_FORMAT, OPEN_LOG = re.findall(r"```sh\n(.*?)```", BEFORE_RECIPES, re.DOTALL)
# The words of each line that lnav prints.
TABLES: dict[str, list[Sequence[str]]] = {
    "Routes by 95th percentile": [
        ("route", "requests", "mean_ms", "p95_ms", "max_ms", "failures"),
        ("/report/", "4", "475", "1840", "1840", "3"),
        ("/api/v1/telemetry/frames/", "2", "675.5", "730.5", "730.5", "0"),
        ("/api/v1/trucks/", "31", "11.2", "12.5", "41.25", "0"),
        ("/api/v1/trucks/<vin>/", "1", "5", "5", "5", "0"),
    ],
    "Slowest requests": [
        ("log_time", "duration_ms", "queries", "path", "request_id"),
        ("2026-01-05", "08:31:03.000", "1840", "48", "/report/", "report-1"),
        ("2026-01-05", "08:31:59.000", "730.5", "9", "/api/v1/telemetry/frames/", "import-2"),
        ("2026-01-05", "08:31:01.000", "620.5", "9", "/api/v1/telemetry/frames/", "import-1"),
    ],
    "Time by route: total, database, outgoing requests": [
        ("route", "ms", "db_ms", "outgoing_ms"),
        ("/report/", "1900", "475", "0"),
        ("/api/v1/telemetry/frames/", "1351", "337.8", "500"),
        ("/api/v1/trucks/", "71.8", "17.9", "0"),
        ("/api/v1/trucks/<vin>/", "5", "1.3", "0"),
    ],
    "All lines of one request": [
        ("08:31:57.000", "INFO", "request", "200", "41.250000", "2", "GET", "/api/v1/trucks/", "committed", "0f2a9c7e",
         "null"),
    ],
    "Routes that repeat a query (N+1)": [("route", "requests", "repeated", "queries"), ("/report/", "1", "40", "48")],
    "Statements by total time": [
        ("times", "ms", "max_ms", "place", "statement"),
        ("2", "153", "152.5", "service/reports.py:48", *STATEMENT.split()),
    ],
    "Exceptions, and when each was last seen": [
        ("times", "last", "type", "message"),
        ("2", "2026-01-05", "08:32:02.000", "ValueError", "no", "manufacturers"),
        ("1", "2026-01-05", "08:32:01.000", "RuntimeError", "no", "fleet"),
    ],
    "Requests and failures per minute": [
        ("minute", "requests", "failures"),
        ("2026-01-05", "08:30:00.000", "21", "0"),
        ("2026-01-05", "08:31:00.000", "14", "0"),
        ("2026-01-05", "08:32:00.000", "3", "3"),
    ],
}  # fmt: skip

# The JSON values that jq prints, and the lines of text.
VALUES: dict[str, list[Any]] = {
    "Requests slower than 500 ms": [[730.5, 9, "/api/v1/telemetry/frames/", "import-2"]],
    "Requests that wait for other services": [[2, 500.0, 730.5, "/api/v1/telemetry/frames/"]],
    "Errors by exception": [{"ValueError": 2, "RuntimeError": 1}],
    "Number of requests": [15],
}
LINES = {
    "Requests by status and route": ["11 200 /api/v1/trucks/", "3 500 /report/", "1 200 /api/v1/telemetry/frames/"]
}
# Recipes that a separate test runs.
OTHERS = {
    "Torn lines",
    "All lines of one request with jq",
    "Stack traces as Python prints them",
    "Skip torn lines",
    "Recover the line after a torn line",
    "All files, from the oldest line to the newest",
}

pytestmark = pytest.mark.external("lnav", "jq")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with sample logs in `var/log`."""
    return write_sample_logs(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same directory, after a kill in the middle of a line."""
    return write_sample_logs(tmp_path_factory.mktemp("torn"), is_torn=True)


def request_ids(printed: str) -> list[str | None]:
    return [json.loads(line)["request_id"] for line in printed.splitlines()]


def test_every_recipe_of_the_page_is_tested_here() -> None:
    assert all(RECIPES.values())
    assert len(RECIPES) + len((INSTALL_PROGRAMS, INSTALL_FORMAT, OPEN_LOG)) == PAGE.count("```sh")
    assert TABLES.keys() | VALUES.keys() | LINES.keys() | OTHERS == RECIPES.keys()


def test_format_is_installed_by_the_command_of_the_page(tmp_path: Path) -> None:
    run_shell(INSTALL_FORMAT, ROOT, tmp_path)
    assert [file.name for file in tmp_path.rglob("installed/*")] == ["vitrine_log.json"]


def test_lnav_opens_all_files_of_the_log(lnav_home: Path, project: Path) -> None:
    printed = run_shell(OPEN_LOG.replace("lnav ", "lnav -n ", 1), project, lnav_home)
    lines = [line for line in printed.splitlines() if re.match(r"\d\d:\d\d:\d\d", line)]
    assert len(lines) == len([*sample_logs.OLDEST, *sample_logs.OLDER, *sample_logs.NEWEST])


def test_page_shows_the_lines_as_lnav_prints_them(lnav_home: Path, tmp_path: Path) -> None:
    registered = make_record(30, logging.INFO, "truck_registered", "5b7b3272", facts={"vin": "LGHB2V190FC200001"})
    ingested = request_record(
        31, "5b7b3272", "/api/v1/telemetry/frames/", 620.5, method="POST", query_count=9, facts={"user.id": "7"}
    )
    listed = request_record(89, "0f2a9c7e", "/api/v1/trucks/", 41.25)
    write_lines(tmp_path / "service.jsonl", [registered, ingested, listed])
    printed = run_shell("lnav -n service.jsonl", tmp_path, lnav_home)
    (block,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert [line.rstrip() for line in printed.splitlines()] == block.splitlines()


@pytest.mark.parametrize("heading", TABLES)
def test_lnav_prints_the_rows(lnav_home: Path, project: Path, heading: str) -> None:
    printed = run_shell(RECIPES[heading], project, lnav_home)
    assert [tuple(line.split()) for line in printed.splitlines()] == TABLES[heading]


def test_lnav_prints_the_rows_also_if_a_line_is_torn(lnav_home: Path, torn: Path) -> None:
    printed = run_shell(RECIPES["Slowest requests"], torn, lnav_home)
    assert [tuple(line.split()) for line in printed.splitlines()] == TABLES["Slowest requests"]


def test_lnav_shows_torn_lines(lnav_home: Path, torn: Path) -> None:
    (row,) = json.loads(run_shell(RECIPES["Torn lines"], torn, lnav_home))
    assert row["log_raw_text"].count('{"timestamp":') == 2
    assert '"request_id":"0f2a9c7e"' in row["log_raw_text"]


@pytest.mark.parametrize("heading", VALUES)
def test_jq_prints_the_values(lnav_home: Path, project: Path, heading: str) -> None:
    printed = run_shell(f"{RECIPES[heading].rstrip()} | jq -s .", project, lnav_home)
    assert json.loads(printed) == VALUES[heading]


@pytest.mark.parametrize("heading", LINES)
def test_jq_prints_the_lines(lnav_home: Path, project: Path, heading: str) -> None:
    assert run_shell(RECIPES[heading], project, lnav_home).splitlines() == LINES[heading]


def test_jq_finds_the_lines_of_one_request(lnav_home: Path, project: Path) -> None:
    assert request_ids(run_shell(RECIPES["All lines of one request with jq"], project, lnav_home)) == ["0f2a9c7e"]


def test_jq_prints_stack_traces_as_python_does(lnav_home: Path, project: Path) -> None:
    printed = run_shell(RECIPES["Stack traces as Python prints them"], project, lnav_home).rstrip().split("\n\n")
    assert [trace.splitlines()[0].partition(" ")[2] for trace in printed] == ["Internal Server Error: /report/"] * 3
    assert [trace.splitlines()[1] for trace in printed] == ["Traceback (most recent call last):"] * 3
    assert [trace.splitlines()[-1] for trace in printed] == [
        "ValueError: no trucks", "RuntimeError: no fleet", "ValueError: no manufacturers",
    ]  # fmt: skip


def test_jq_skips_a_torn_line(lnav_home: Path, torn: Path) -> None:
    found = request_ids(run_shell(RECIPES["Skip torn lines"], torn, lnav_home))
    assert found[:3] == [None, "list-3", "import-2"]
    assert len(found) == len(sample_logs.NEWEST) - 1


def test_jq_recovers_the_line_after_a_torn_line(lnav_home: Path, torn: Path) -> None:
    found = request_ids(run_shell(RECIPES["Recover the line after a torn line"], torn, lnav_home))
    assert found[:3] == [None, "0f2a9c7e", "list-3"]
    assert len(found) == len(sample_logs.NEWEST)


def test_jq_recovers_a_line_with_non_ascii_letters(lnav_home: Path, tmp_path: Path) -> None:
    write_sample_logs(tmp_path)
    file = tmp_path / "var" / "log" / "service.jsonl"
    file.write_text('{"timestamp":"x","author":"Łódź 车{"timestamp":"y","request_id":"ź {\\"timestamp\\":"}\n')
    assert request_ids(run_shell(RECIPES["Recover the line after a torn line"], tmp_path, lnav_home)) == [
        'ź {"timestamp":'
    ]


def test_all_files_are_read_from_the_oldest_to_the_newest(lnav_home: Path, torn: Path) -> None:
    printed = run_shell(RECIPES["All files, from the oldest line to the newest"], torn, lnav_home)
    times = [json.loads(line)["timestamp"] for line in printed.splitlines()]
    assert len(times) == len([*sample_logs.OLDEST, *sample_logs.OLDER, *sample_logs.NEWEST])
    assert times == sorted(times)


def test_tenth_rotated_file_is_older_than_the_second(lnav_home: Path, torn: Path) -> None:
    directory = torn / "many"
    write_sample_logs(directory)
    log_dir = directory / "var" / "log"
    (log_dir / "service.jsonl.lock").write_text("1 2\n")
    sample_logs.write_lines(log_dir / "service.jsonl.10", sample_logs.OLDER[:1])
    assert request_ids(run_shell(RECIPES["All files, from the oldest line to the newest"], directory, lnav_home))[
        :2
    ] == ["import-1", "list-1"]
