"""manage.py prepare"""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from service.models import User


@pytest.fixture
def debug(settings: Settings, db: None) -> None:
    settings.DEBUG = True


def prepare() -> list[str]:
    """Return the lines that the command prints."""
    output = StringIO()
    call_command("prepare", stdout=output)
    return output.getvalue().splitlines()


def test_first_run_creates_the_login_and_the_second_does_nothing(debug: None) -> None:
    assert prepare()[-1] == "Created the login admin with the password admin."
    assert prepare() == []


def test_created_login_is_a_superuser_with_the_printed_password(debug: None) -> None:
    prepare()
    admin = User.objects.get(username="admin")
    assert (admin.check_password("admin"), admin.is_superuser) == (True, True)


def test_existing_login_keeps_its_password(debug: None) -> None:
    User.objects.create_user("admin", password="my own")
    prepare()
    assert User.objects.get(username="admin").check_password("my own")


@pytest.fixture
def shared(debug: None, settings: Settings, tmp_path: Path) -> Path:
    """Let other machines connect, and return the file with the password."""
    settings.SERVES_OTHER_MACHINES, settings.VAR_DIR = True, tmp_path / "var"
    return tmp_path / "var" / "password"


def test_login_gets_a_random_password_if_other_machines_can_connect(shared: Path) -> None:
    line = prepare()[-1]
    password = shared.read_text().strip()
    assert line == f"Created the login admin with the password {password}, which is also in {shared}."
    assert User.objects.get(username="admin").check_password(password)
    assert (len(password) > 16, shared.stat().st_mode & 0o777) == (True, 0o600)
    # It is printed once.
    assert prepare() == []


def test_known_password_is_replaced_if_other_machines_can_connect(shared: Path) -> None:
    User.objects.create_superuser("admin", password="admin")
    line = prepare()[-1]
    password = shared.read_text().strip()
    assert password in line
    assert User.objects.get(username="admin").check_password(password)
    assert prepare() == []


def test_own_password_is_kept_if_other_machines_can_connect(shared: Path) -> None:
    User.objects.create_superuser("admin", password="my own")
    prepare()
    assert not shared.exists()
    assert User.objects.get(username="admin").check_password("my own")


def test_file_of_an_earlier_password_is_removed_with_a_known_password(shared: Path, settings: Settings) -> None:
    prepare()
    User.objects.all().delete()
    settings.SERVES_OTHER_MACHINES = False
    assert prepare()[-1] == "Created the login admin with the password admin."
    assert not shared.exists()


@pytest.mark.django_db
def test_command_is_refused_with_https_production_settings() -> None:
    with pytest.raises(CommandError, match="only in development, or with INSECURE_HTTP=true"):
        prepare()
    assert not User.objects.exists()


@pytest.mark.django_db
def test_login_with_insecure_http_gets_a_random_password_in_a_private_file(settings: Settings, tmp_path: Path) -> None:
    settings.INSECURE_HTTP, settings.VAR_DIR, settings.STATIC_ROOT = True, tmp_path, tmp_path / "static"
    assert prepare()[-1] == f"Created the login admin with the password in {tmp_path / 'password'}."
    password = (tmp_path / "password").read_text().strip()
    assert User.objects.get(username="admin").check_password(password)
    assert (len(password) > 16, (tmp_path / "password").stat().st_mode & 0o777) == (True, 0o600)
