"""The benchmark of the ingestion. The page that replaces the fleet deletes it."""

import pytest

from tests.benchmarks.test_main import run

pytestmark = pytest.mark.slow


def run_once() -> list[str]:
    return run("ingest", "--rounds", "1")


def test_ratios_are_printed() -> None:
    ratios = [float(line.split()[1]) for line in run_once() if line.startswith("ratio ")]
    assert [ratio > 0 for ratio in ratios] == [True, True]


def test_ingest_of_a_thousand_frames_takes_at_most_eight_statements() -> None:
    counts = [line.split()[3] for line in run_once() if "statements (" in line]
    assert [int(count) <= 8 for count in counts] == [True, True]
