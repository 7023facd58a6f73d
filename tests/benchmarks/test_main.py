"""The benchmarks run. Their results are not tested."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from benchmarks import reading, scenarios
from benchmarks.__main__ import run as run_in_process
from benchmarks.census import Census
from benchmarks.scenarios import Outcome
from tests.server import ROOT

# Those of the observability layer; a service may have others.
NAMES = ("budgets", "faults", "logging", "profiler", "reading", "request", "sentry")


@cache
def run(*arguments: str) -> list[str]:
    """Run a benchmark and return its output lines; fail if its exit code is not 0. Tests share the results."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.splitlines()


def test_benchmarks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_in_process([]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert [name for name in listed if name in NAMES] == list(NAMES)


def test_unknown_benchmark_is_refused_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_in_process(["nothing"]) == 2
    error = capsys.readouterr().err
    assert "'nothing'" in error
    assert [name for name in NAMES if name not in error] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["faults", "fire"], "unknown fault fire. Available: rotation,"),
        (["logging", "fire"], "unknown table fire. Available: record,"),
    ],
)
def test_unknown_fault_or_table_is_refused_with_the_list(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_in_process(arguments)
    assert (ended.value.code, expected in capsys.readouterr().err) == (2, True)


def test_exit_code_of_faults_is_0_if_no_record_is_lost(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_in_process(["faults", "threads", "--records", "400"]) == 0
    row = capfd.readouterr().out.splitlines()[1].split()
    assert (row[:3], row[4:]) == (["64", "threads", "1,280"], [*"00000"])


def test_exit_code_of_faults_is_1_if_a_loss_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def losing(_directory: Path, *, records: int) -> Outcome:
        return Outcome("64 threads", Census(written=records, lost=1))

    monkeypatch.setattr(scenarios, "many_threads", losing)
    assert run_in_process(["faults", "threads"]) == 1


def test_different_outputs_of_the_readings_are_an_error() -> None:
    names = {"method": "GET", "route": "/", "requests": 2, "errors": 0, "queries": 1.5}
    ours = json.dumps(names | {"p50_ms": 1.25, "p95_ms": 2.5, "p99_ms": 2.5})
    reading.check_outputs(ours, "GET / 2 0 1.5 1.25 2.5 2.5\n")
    with pytest.raises(RuntimeError, match="the outputs differ"):
        reading.check_outputs(ours, "GET / 2 1 1.5 1.25 2.5 2.5\n")


@pytest.mark.slow
def test_request_prints_ratios() -> None:
    ratios = [float(line.split()[1]) for line in run("request", "--rounds", "1") if line.startswith("ratio ")]
    assert [ratio > 0 for ratio in ratios] == [True] * 4


@pytest.mark.slow
def test_profiler_measures_all_configurations() -> None:
    lines = run("profiler", "--rounds", "1", "--requests", "40")
    assert sum("target:" in line for line in lines) == 3
    assert [line.split()[0] for line in lines if line.startswith(("bare", "silk"))] == ["bare", "silk"]


@pytest.mark.slow
@pytest.mark.external
def test_logging_measures_rotation_without_lost_records() -> None:
    rows = [line.split() for line in logging_lines() if line.startswith(("ours  ", "ours, without"))]
    assert [row[-4:] for row in rows[:1]] == [["2,000", "0", "0", "0"]]
    assert len(rows) == 2


@pytest.mark.slow
@pytest.mark.external
def test_logging_measures_the_cost_of_a_record() -> None:
    assert [line.split(",")[0] for line in logging_lines() if "at most" in line] == ["ours", "ours"]


def logging_lines() -> list[str]:
    return run("logging", "record", "rotation", "--rounds", "1", "--records", "500")


@pytest.mark.slow
def test_reading_has_the_same_results_as_a_python_loop() -> None:
    lines = run("reading", "--lines", "3000", "--rounds", "1")
    assert lines[0] == "3,000 access log lines, 2 MB"
    assert sum(line.startswith("Python loop with orjson ") for line in lines) == 1
