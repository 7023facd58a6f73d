"""manage.py prepare"""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from service.models import Truck, User
from tests.service.fleet import make_trucks
from tests.service.management.commands.conftest import Manage


@pytest.fixture
def debug(settings: Settings, db: None) -> None:
    settings.DEBUG = True


def prepare() -> str:
    output = StringIO()
    call_command("prepare", stdout=output)
    return output.getvalue()


def test_empty_machine_is_made_ready_and_a_ready_one_left_alone(manage: Manage) -> None:
    first, second = manage("prepare"), manage("prepare")
    applied, loaded, login = first.stdout.splitlines()
    assert applied.startswith("Applied ")
    assert loaded.startswith("Loaded the demo fleet: 500 trucks")
    assert login == "Made the login admin with the password admin."
    assert (first.returncode, second.returncode, second.stdout) == (0, 0, "")


def test_login_opens_the_admin(debug: None) -> None:
    prepare()
    admin = User.objects.get(username="admin")
    assert (admin.check_password("admin"), admin.is_superuser) == (True, True)


def test_login_that_exists_keeps_its_password(debug: None) -> None:
    User.objects.create_user("admin", password="my own")
    prepare()
    assert User.objects.get(username="admin").check_password("my own")


def test_fleet_that_exists_is_left_alone(debug: None) -> None:
    make_trucks(1)
    assert prepare() == "Made the login admin with the password admin.\n"
    assert Truck.objects.count() == 1


@pytest.mark.django_db
def test_command_is_refused_where_others_could_log_in() -> None:
    with pytest.raises(CommandError, match="only in development, or for a trial"):
        prepare()
    assert not User.objects.exists()


def test_database_that_cannot_be_used_is_one_sentence(manage: Manage, tmp_path: Path) -> None:
    refused = manage("prepare", DATABASE_URL=f"sqlite:///{tmp_path}")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "CommandError: The sqlite database of DATABASE_URL cannot be used: unable to open database file.\n"
    )


@pytest.mark.django_db
def test_login_of_a_trial_has_a_password_that_nobody_knows(settings: Settings, tmp_path: Path) -> None:
    settings.INSECURE_HTTP, settings.TRIAL_DIR, settings.STATIC_ROOT = True, tmp_path, tmp_path / "static"
    make_trucks(1)
    assert prepare() == f"Made the login admin with the password in {tmp_path / 'password'}.\n"
    password = (tmp_path / "password").read_text().strip()
    assert User.objects.get(username="admin").check_password(password)
    assert (len(password) > 16, (tmp_path / "password").stat().st_mode & 0o777) == (True, 0o600)
