"""`manage.py logs`."""

import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from tests.observability.log_analysis.records import failure, record, request, write
from tests.observability.logs.processes import run_python


@pytest.fixture
def log_dir(tmp_path: Path, settings: Settings) -> Path:
    """Return the directory that LOGGING writes to."""
    handlers = {"service": {"filename": str(tmp_path / "service.jsonl")}, "console": {"class": "logging.StreamHandler"}}
    settings.LOGGING = {"handlers": handlers}
    return tmp_path


def run(*arguments: str) -> tuple[str, str]:
    output, error = StringIO(), StringIO()
    call_command("logs", *arguments, stdout=output, stderr=error)
    return output.getvalue(), error.getvalue()


def test_reads_the_logs_that_the_service_writes(log_dir: Path) -> None:
    write(log_dir, request())
    assert run("top")[0].startswith("1 request, ")


def test_other_paths_may_be_given(log_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    path = write(other, record(0, "elsewhere"), name="other.jsonl")
    assert "elsewhere" in run("--in", str(path), "--no-follow")[0]


def test_report_is_written_line_by_line(log_dir: Path) -> None:
    write(log_dir, *failure(0, "0f2a9c7e"))
    assert run("errors")[0].splitlines() == [
        "1 failure, 2026-01-05 08:30:00 to 08:30:00 UTC, of 1 kind.",
        "",
        "1  ValueError  library/api/views.py:12 get",
        "   no books",
        "   GET /books/",
        "   2026-01-05 08:30:00 to 08:30:00 UTC",
        "   manage.py logs request 0f2a9c7e",
        "",
    ]


def test_broken_line_is_reported_on_stderr(log_dir: Path) -> None:
    write(log_dir, request(), "rubbish")
    output, error = run("top")
    assert "rubbish" not in output
    assert error.startswith("1 broken line left out")


def test_error_is_a_command_error(log_dir: Path) -> None:
    write(log_dir, request())
    with pytest.raises(CommandError, match="No log line has the id 'request-2'"):
        run("request", "request-2")


def test_database_of_the_service_is_not_queried(log_dir: Path) -> None:
    # The test would fail if it ran a query: it is not marked with django_db.
    write(log_dir, request())
    assert run("sql", "select count(*) as n from requests", "--json")[0] == '{"n": 1}\n'


def test_works_if_an_app_cannot_be_loaded(log_dir: Path, tmp_path: Path) -> None:
    """The broken app may be the reason for reading the logs. Loading the apps also takes longer than most reports."""
    write(log_dir, request())
    (tmp_path / "broken_settings.py").write_text("INSTALLED_APPS = ['no_such_app']\nLOGGING = {}\n")
    variables = os.environ | {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "broken_settings"}
    completed = run_python("manage.py", "logs", "--in", str(log_dir), "top", environment=variables)
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout.startswith("1 request, ")
