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
