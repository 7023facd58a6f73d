"""System checks of the query budgets."""

from pathlib import Path

import pytest
from pytest_django import Settings

from observability.budgets.checks import check_file, check_order


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    """Return the path of the budget file in the settings; it does not exist yet."""
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"BUDGET_FILE": str(tmp_path / "budgets.json")}
    return tmp_path / "budgets.json"


def test_invalid_budget_file_is_an_error(file: Path) -> None:
    file.write_text("{")
    (found,) = check_file(None)
    assert (found.id, found.msg.startswith(f"{file}:1 ")) == ("observability.E401", True)


def test_missing_budget_file_is_a_warning_if_the_reader_is_installed(file: Path, settings: Settings) -> None:
    assert [each.id for each in check_file(None)] == ["observability.W401"]
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"READERS": []}
    assert check_file(None) == []


def test_budget_reader_after_the_access_log_is_a_warning(settings: Settings) -> None:
    assert check_order(None) == []
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"READERS": list(reversed(settings.OBSERVABILITY["READERS"]))}
    assert [each.id for each in check_order(None)] == ["observability.W402"]
