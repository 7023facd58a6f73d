"""System checks of the room."""

from pathlib import Path

import pytest
from pytest_django import Settings

from observability.budgets.checks import check_file, check_order


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    """The budget file that the settings name; it is not there yet."""
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"BUDGET_FILE": str(tmp_path / "budgets.json")}
    return tmp_path / "budgets.json"


def test_file_that_cannot_be_read_is_an_error(file: Path) -> None:
    file.write_text("{")
    (found,) = check_file(None)
    assert (found.id, found.msg.startswith(f"{file}:1: not JSON")) == ("observability.E401", True)


def test_absent_file_is_a_warning_where_the_reader_is_installed(file: Path, settings: Settings) -> None:
    assert [each.id for each in check_file(None)] == ["observability.W401"]
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"READERS": []}
    assert check_file(None) == []


def test_reader_behind_the_access_line_is_a_warning(settings: Settings) -> None:
    assert check_order(None) == []
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"READERS": list(reversed(settings.OBSERVABILITY["READERS"]))}
    assert [each.id for each in check_order(None)] == ["observability.W402"]
