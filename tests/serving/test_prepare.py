"""manage.py prepare in a process of its own, on a machine without a database."""

from pathlib import Path

import pytest

from tests.databases import own_database
from tests.serving.conftest import Manage


@pytest.mark.slow
def test_empty_machine_is_made_ready_and_a_ready_one_left_alone(manage: Manage, tmp_path: Path) -> None:
    with own_database(tmp_path) as database:
        first, second = (manage("prepare", DATABASE_URL=database.url) for _ in range(2))
    applied, loaded, login = first.stdout.splitlines()
    assert applied.startswith("Applied ")
    assert loaded.startswith("Loaded the demo ")
    assert login == "Made the login admin with the password admin."
    assert (first.returncode, second.returncode, second.stdout) == (0, 0, "")


@pytest.mark.slow
def test_database_that_cannot_be_used_is_one_sentence(manage: Manage, tmp_path: Path) -> None:
    refused = manage("prepare", DATABASE_URL=f"sqlite:///{tmp_path}")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "CommandError: The sqlite database of DATABASE_URL cannot be used: unable to open database file.\n"
    )
