"""A route over its budget is reported once per release, by only one process of a machine."""

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from observability.budgets.reader import claim_report
from tests.server import ROOT


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    path = tmp_path / "log" / "over_budget.json"
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"VAR_DIR": str(path.parent), "RELEASE": "r1"}
    return path


def test_route_is_reported_once_per_release(file: Path, settings: Settings) -> None:
    assert [claim_report(key) for key in ("GET /a/", "GET /b/", "GET /a/")] == [True, True, False]
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"RELEASE": "r2"}
    assert [claim_report("GET /a/") for _ in range(2)] == [True, False]
    assert "GET /b/" not in file.read_text()


@pytest.mark.parametrize("content", ["", '{"release": "r1", "rou', "[]", '{"release": "r1", "routes": 3}'])
def test_damaged_file_is_replaced(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    assert [claim_report("GET /a/") for _ in range(2)] == [True, False]


@pytest.mark.parametrize("absent", ["RELEASE", "VAR_DIR"])
def test_each_process_reports_without_a_release_or_var_dir(file: Path, settings: Settings, absent: str) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {absent: ""}
    assert [claim_report("GET /a/") for _ in range(2)] == [True, True]
    assert not file.exists()


def test_route_is_reported_if_the_file_cannot_be_written(file: Path) -> None:
    file.parent.write_text("not a directory")
    assert claim_report("GET /a/")


def test_only_one_of_several_processes_reports_a_route(file: Path) -> None:
    program = (
        "from django.conf import settings\n"
        f"settings.configure(OBSERVABILITY={{'RELEASE': 'r1', 'VAR_DIR': {str(file.parent)!r}}})\n"
        "from observability.budgets.reader import claim_report\n"
        "print(sum(claim_report(f'GET /{number}/') for number in range(50)))"
    )
    command = [sys.executable, "-c", program]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(each.communicate()[0]) for each in started) == 50
