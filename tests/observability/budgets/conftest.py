"""Small projects with tests that use the plugin."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.observability.budgets.inner_pytest import InnerPytest, Outcome, inner_pytest

CONFTEST = 'pytest_plugins = ["observability.budgets.plugin"]\n'


@dataclass
class Project:
    """The directory of a small project, and the server process that runs its tests."""

    path: Path
    pytest: InnerPytest

    def write(self, files: dict[str, str]) -> None:
        """Write files; `files` has their text by path."""
        for name, text in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def configure(self, *lines: str) -> None:
        """Write pytest's configuration, with `project_settings` as the Django settings."""
        always = ["DJANGO_SETTINGS_MODULE = project_settings", "pythonpath = .", "filterwarnings = error"]
        self.write({"pytest.ini": "\n".join(["[pytest]", *always, *lines]) + "\n", "conftest.py": CONFTEST})

    def run(self, *arguments: str, directory: str = ".") -> Outcome:
        """Run pytest in a directory of the project."""
        return self.pytest.run(self.path / directory, *arguments)

    @property
    def budgets(self) -> dict[str, Any]:
        """The content of the budget file."""
        written: dict[str, Any] = json.loads((self.path / "query_budgets.json").read_text())
        return written

    @budgets.setter
    def budgets(self, budgets: dict[str, Any]) -> None:
        self.write({"query_budgets.json": json.dumps(budgets)})


@pytest.fixture(scope="session")
def inner() -> Iterator[InnerPytest]:
    with inner_pytest() as process:
        yield process


@pytest.fixture
def empty_project(tmp_path: Path, inner: InnerPytest) -> Project:
    return Project(tmp_path, inner)
