"""The benchmarks run; what they measure is for a person to judge."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from benchmarks import reading, scenarios
from benchmarks.__main__ import run as run_here
from benchmarks.census import Census
from benchmarks.scenarios import Outcome
from tests.server import ROOT

NAMES = ["browser", "budgets", "faults", "ingest", "logging", "reading", "request", "sentry"]


@cache
def run(*arguments: str) -> list[str]:
    """The lines that a benchmark prints, which has to succeed; tests of the same run share it."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.splitlines()


def test_benchmarks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == NAMES


def test_unknown_benchmark_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(["nothing"]) == 2
    expected = f"There is no benchmark 'nothing': choose one of {', '.join(NAMES)}.\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["faults", "fire"], "there is no fault fire: choose among rotation,"),
        (["logging", "fire"], "there is no table fire: choose among record,"),
    ],
)
def test_unknown_part_of_a_benchmark_is_named(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_here(arguments)
    assert (ended.value.code, expected in capsys.readouterr().err) == (2, True)


def test_fault_that_loses_nothing_is_a_success(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_here(["faults", "threads", "--records", "400"]) == 0
    row = capfd.readouterr().out.splitlines()[1].split()
    assert (row[:3], row[4:]) == (["64", "threads", "1,280"], [*"00000"])


def test_fault_that_loses_records_in_silence_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def losing(_directory: Path, *, records: int) -> Outcome:
        return Outcome("64 threads", Census(written=records, lost=1))

    monkeypatch.setattr(scenarios, "many_threads", losing)
    assert run_here(["faults", "threads"]) == 1


def test_readings_that_differ_end_the_benchmark() -> None:
    names = {"method": "GET", "route": "/", "requests": 2, "errors": 0, "queries": 1.5}
    ours = json.dumps(names | {"p50_ms": 1.25, "p95_ms": 2.5, "p99_ms": 2.5})
    reading.check(ours, "GET / 2 0 1.5 1.25 2.5 2.5\n")
    with pytest.raises(RuntimeError, match="the answers differ"):
        reading.check(ours, "GET / 2 1 1.5 1.25 2.5 2.5\n")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tables"), [("ingest", 2), ("request", 4)])
def test_benchmark_prints_a_ratio(name: str, tables: int) -> None:
    ratios = [float(line.split()[1]) for line in run(name, "--rounds", "1") if line.startswith("ratio ")]
    assert [ratio > 0 for ratio in ratios] == [True] * tables


@pytest.mark.slow
def test_ingest_of_a_thousand_frames_takes_at_most_eight_statements() -> None:
    counts = [line.split()[3] for line in run("ingest", "--rounds", "1") if "statements (" in line]
    assert [int(count) <= 8 for count in counts] == [True, True]


@pytest.mark.slow
def test_ways_to_look_at_a_call_are_measured() -> None:
    lines = run("browser", "--rounds", "1", "--calls", "40")
    assert sum("wanted:" in line for line in lines) == 3
    assert [line.split()[0] for line in lines if line.startswith(("bare", "silk"))] == ["bare", "silk"]


@pytest.mark.slow
@pytest.mark.external
def test_rotation_of_ours_is_measured_and_loses_nothing() -> None:
    rows = [line.split() for line in logging_lines() if line.startswith(("ours  ", "ours, without"))]
    assert [row[-4:] for row in rows[:1]] == [["2,000", "0", "0", "0"]]
    assert len(rows) == 2


@pytest.mark.slow
@pytest.mark.external
def test_cost_of_a_record_is_measured() -> None:
    assert [line.split(",")[0] for line in logging_lines() if "at most" in line] == ["ours", "ours"]


def logging_lines() -> list[str]:
    return run("logging", "record", "rotation", "--rounds", "1", "--records", "500")


@pytest.mark.slow
def test_reading_of_access_lines_is_measured_and_says_what_a_loop_says() -> None:
    lines = run("reading", "--lines", "3000", "--rounds", "1")
    assert lines[0] == "3,000 access lines, 2 MB"
    assert sum(line.startswith("a loop of Python with orjson ") for line in lines) == 1
