"""manage.py prepare in its own process, without a database."""

from pathlib import Path

import pytest

from tests.databases import own_database
from tests.serving.conftest import Manage


@pytest.mark.slow
def test_first_run_sets_up_the_database_and_the_second_does_nothing(manage: Manage, tmp_path: Path) -> None:
    with own_database(tmp_path) as database:
        first, second = (manage("prepare", DATABASE_URL=database.url) for _ in range(2))
    applied, loaded, login = first.stdout.splitlines()
    assert applied.startswith("Applied ")
    assert loaded.startswith("Loaded the demo ")
    assert login == "Created the login admin with the password admin."
    assert (first.returncode, second.returncode, second.stdout) == (0, 0, "")


@pytest.mark.slow
def test_unusable_database_is_one_message(manage: Manage, tmp_path: Path) -> None:
    refused = manage("prepare", DATABASE_URL=f"sqlite:///{tmp_path}")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "CommandError: Cannot connect to the sqlite database of DATABASE_URL: unable to open database file. "
        "Check that the database server runs and that DATABASE_URL is correct.\n"
    )
