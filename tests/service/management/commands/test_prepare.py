"""manage.py prepare"""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from service.models import Truck, User
from tests.service.fleet import make_trucks


@pytest.fixture
def debug(settings: Settings, db: None) -> None:
    settings.DEBUG = True


def prepare() -> str:
    output = StringIO()
    call_command("prepare", stdout=output)
    return output.getvalue()


def test_empty_database_gets_the_demo_fleet_and_the_login_once(debug: None) -> None:
    assert prepare().splitlines() == [
        "Loaded the demo fleet: 500 trucks with 1557 frames, and 4 real frames.",
        "Made the login admin with the password admin.",
    ]
    assert prepare() == ""


def test_login_opens_the_admin(debug: None) -> None:
    make_trucks(1)
    prepare()
    admin = User.objects.get(username="admin")
    assert (admin.check_password("admin"), admin.is_superuser) == (True, True)


def test_login_that_exists_keeps_its_password(debug: None) -> None:
    make_trucks(1)
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


@pytest.mark.django_db
def test_login_of_a_trial_has_a_password_that_nobody_knows(settings: Settings, tmp_path: Path) -> None:
    settings.INSECURE_HTTP, settings.VAR_DIR, settings.STATIC_ROOT = True, tmp_path, tmp_path / "static"
    make_trucks(1)
    assert prepare() == f"Made the login admin with the password in {tmp_path / 'password'}.\n"
    password = (tmp_path / "password").read_text().strip()
    assert User.objects.get(username="admin").check_password(password)
    assert (len(password) > 16, (tmp_path / "password").stat().st_mode & 0o777) == (True, 0o600)
