"""One report a route and release, whichever process tells it."""

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from observability.budgets.told import is_first_to_tell
from tests.server import ROOT


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    path = tmp_path / "log" / "over_budget.json"
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"VAR_DIR": str(path.parent), "RELEASE": "r1"}
    return path


def test_route_is_told_once_a_release(file: Path, settings: Settings) -> None:
    assert [is_first_to_tell(key) for key in ("GET /a/", "GET /b/", "GET /a/")] == [True, True, False]
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"RELEASE": "r2"}
    assert [is_first_to_tell("GET /a/") for _ in range(2)] == [True, False]
    assert "GET /b/" not in file.read_text()


@pytest.mark.parametrize("content", ["", '{"release": "r1", "rou', "[]", '{"release": "r1", "routes": 3}'])
def test_file_that_was_broken_is_written_anew(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    assert [is_first_to_tell("GET /a/") for _ in range(2)] == [True, False]


@pytest.mark.parametrize("absent", ["RELEASE", "VAR_DIR"])
def test_without_a_release_or_a_file_each_process_tells(file: Path, settings: Settings, absent: str) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {absent: ""}
    assert [is_first_to_tell("GET /a/") for _ in range(2)] == [True, True]
    assert not file.exists()


def test_file_that_cannot_be_written_costs_nothing(file: Path) -> None:
    file.parent.write_text("no directory")
    assert is_first_to_tell("GET /a/")


def test_of_processes_that_tell_at_the_same_time_one_is_the_first(file: Path) -> None:
    program = (
        "from django.conf import settings\n"
        f"settings.configure(OBSERVABILITY={{'RELEASE': 'r1', 'VAR_DIR': {str(file.parent)!r}}})\n"
        "from observability.budgets.told import is_first_to_tell\n"
        "print(sum(is_first_to_tell(f'GET /{number}/') for number in range(50)))"
    )
    command = [sys.executable, "-c", program]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(each.communicate()[0]) for each in started) == 50
