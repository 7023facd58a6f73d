"""The command recorder."""

import logging

import pytest
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from observability.recorders import commands


class Command(BaseCommand):
    """A command of a project: its module is not part of Django."""

    def handle(self, *args: object, **options: object) -> None:
        match options["fail_with"]:
            case "command error":
                raise CommandError("refused")
            case "exception":
                raise ValueError("broken")

    def add_arguments(self, parser: object) -> None:
        parser.add_argument("--fail-with")  # type: ignore[attr-defined]


def line(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    (record,) = [each for each in caplog.records if each.name == "observability.command"]
    return record


def test_command_is_one_log_line_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    call_command(Command())
    record = line(caplog)
    assert (record.levelname, record.msg) == ("INFO", "command")
    assert record.__dict__["facts"]["command.name"] == "test_commands"


def test_log_line_of_a_failed_command_has_its_exception(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="broken"):
        call_command(Command(), fail_with="exception")
    record = line(caplog)
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


def test_command_error_is_a_warning_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(CommandError):
        call_command(Command(), fail_with="command error")
    record = line(caplog)
    assert (record.levelname, record.exc_info) == ("WARNING", None)


@pytest.mark.parametrize(
    ("package", "name", "is_observed"),
    [
        ("django.core.management.commands", "migrate", True),
        ("django.core.management.commands", "check", False),
        ("django.core.management.commands", "shell", False),
        ("tests.probe.management.commands", "mark_lost", True),
        ("tests.probe.management.commands", "runserver", False),
    ],
)
def test_project_and_batch_commands_are_observed(package: str, name: str, is_observed: bool) -> None:
    assert commands.is_observed(package, name) is is_observed


@pytest.mark.parametrize(
    ("argv", "owns_stdout"),
    [
        (["manage.py", "dumpdata"], True),
        (["/srv/app/manage.py", "migrate", "--noinput"], True),
        (["/usr/bin/django-admin", "shell"], True),
        (["/usr/lib/python3/site-packages/django/__main__.py", "inspectdb"], True),
        (["manage.py", "runserver", "8000"], False),
        (["manage.py"], False),
        (["/usr/bin/gunicorn", "settings.wsgi"], False),
        (["/srv/__main__.py", "serve"], False),
        ([], False),
    ],
)
def test_only_management_commands_own_stdout(argv: list[str], owns_stdout: bool) -> None:
    assert commands.owns_stdout(argv) is owns_stdout


def test_second_install_does_not_log_a_command_twice(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    commands.install()
    call_command(Command())
    line(caplog)
