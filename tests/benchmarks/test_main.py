"""The benchmarks run; what they measure is for a person to judge."""

import subprocess
import sys

import pytest

from tests.server import ROOT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def names() -> list[str]:
    return [line.split()[0] for line in run().stdout.splitlines()]


def test_benchmarks_are_listed() -> None:
    assert names() == ["browser", "budgets", "faults", "ingest", "logging", "reading", "request", "sentry"]


@pytest.mark.parametrize("name", ["ingest", "request"])
def test_benchmark_prints_a_ratio(name: str) -> None:
    completed = run(name, "--rounds", "1")
    assert completed.returncode == 0, completed.stderr
    assert "\nratio " in completed.stdout


def test_ingest_of_a_thousand_frames_takes_at_most_eight_statements() -> None:
    counts = [line.split()[3] for line in run("ingest", "--rounds", "1").stdout.splitlines() if "statements (" in line]
    assert [int(count) <= 8 for count in counts] == [True, True]


def test_ways_to_look_at_a_call_are_measured() -> None:
    completed = run("browser", "--rounds", "1")
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.count("wanted:") == 3
    assert [line.split()[0] for line in completed.stdout.splitlines() if line.startswith(("bare", "silk"))] == [
        "bare",
        "silk",
    ]


def test_fault_that_loses_nothing_is_a_success() -> None:
    completed = run("faults", "threads", "--records", "400")
    assert completed.returncode == 0, completed.stderr
    row = completed.stdout.splitlines()[1].split()
    assert (row[:3], row[4:]) == (["64", "threads", "1,280"], [*"00000"])


def test_rotation_of_ours_is_measured_and_loses_nothing() -> None:
    completed = run("logging", "rotation", "--rounds", "1", "--records", "500")
    assert completed.returncode == 0, completed.stderr
    rows = [line.split() for line in completed.stdout.splitlines() if line.startswith("ours")]
    assert [row[-4:] for row in rows[:1]] == [["2,000", "0", "0", "0"]]
    assert len(rows) == 2


def test_cost_of_a_record_is_measured() -> None:
    completed = run("logging", "record", "--rounds", "1")
    assert completed.returncode == 0, completed.stderr
    assert [line.split(",")[0] for line in completed.stdout.splitlines() if "at most" in line] == ["ours", "ours"]


def test_reading_of_access_lines_is_measured_and_says_what_a_loop_says() -> None:
    completed = run("reading", "--lines", "3000", "--rounds", "1")
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.startswith("3,000 access lines, 2 MB\n")
    assert "\na loop of Python with orjson " in completed.stdout


def test_unknown_fault_is_named() -> None:
    completed = run("faults", "fire")
    assert (completed.returncode, "there is no fault fire: choose among rotation," in completed.stderr) == (2, True)


def test_unknown_benchmark_is_named() -> None:
    completed = run("nothing")
    known = "browser, budgets, faults, ingest, logging, reading, request, sentry"
    assert completed.returncode == 2
    assert completed.stderr == f"There is no benchmark 'nothing': choose one of {known}.\n"
