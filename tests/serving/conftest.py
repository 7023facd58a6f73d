"""Fixtures for commands that run in their own process."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases import own_database
from tests.serving.warm_python import WarmPython
from tests.serving.warm_python import running_python as running_python

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the environment variables of a machine with an empty database."""
    directory: Path = tmp_path_factory.mktemp("machine")
    with own_database(directory) as database:
        yield os.environ | {
            "DJANGO_SETTINGS_MODULE": "settings.development",
            "SECRET_KEY": "0123456789abcdef" * 4,
            "DATABASE_URL": database.url,
            "SILK_DATABASE_URL": f"sqlite:///{directory / 'silk.sqlite3'}",
            "LOG_DIR": str(directory / "log"),
            "VAR_DIR": str(directory),
        }


@pytest.fixture(scope="session")
def manage(machine: dict[str, str], python: WarmPython) -> Manage:
    """Return a function that runs a command of `manage.py` with these variables."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return python.run("manage.py", *arguments, env=machine | variables)

    return run
