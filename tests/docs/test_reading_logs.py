"""The page about reading logs shows what its commands print, of the logs of one day."""

import os
import re
import subprocess
from collections.abc import Callable
from functools import cache

import pytest

from observability.log_analysis.cli import REPORTS
from tests.docs.failing_day import write_failing_day
from tests.server import ROOT
from tests.serving.warm_python import WarmPython

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "reading-logs.md").read_text()
WIDTH = "100"
# A line of the page that stands for any number of lines.
LEFT_OUT = "…"
SHOWN = re.findall(r"```\n\$ python manage\.py logs (.+)\n([^`]*)```", PAGE)


Logs = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory, python: WarmPython) -> Logs:
    """Run `manage.py logs` over the logs of the day; what a command prints is found out once."""
    directory = tmp_path_factory.mktemp("log")
    write_failing_day(directory)
    settings = {"LOG_DIR": str(directory), "COLUMNS": WIDTH, "DJANGO_SETTINGS_MODULE": "settings.development"}

    @cache
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return python.run("manage.py", "logs", *arguments, env=os.environ | settings)

    return run


def arguments_of(command: str) -> list[str]:
    return [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', command)]


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command.split()[0] for command, _ in SHOWN])
def test_page_shows_what_is_printed(logs: Logs, command: str, output: str) -> None:
    completed = logs(*arguments_of(command))
    assert completed.returncode == 0, completed.stderr
    expected = "\n".join(".*(?:\n.*)*?" if line == LEFT_OUT else re.escape(line) for line in output.splitlines())
    assert re.fullmatch(expected, completed.stdout.rstrip("\n")), completed.stdout


def test_three_commands_lead_from_a_complaint_to_its_exception(logs: Logs) -> None:
    worst = logs("top", "--by", "errors", "--limit", "3").stdout.partition("route  ")[2].splitlines()[1]
    assert worst.startswith("PATCH  /api/v1/books/<str:isbn>/ ")
    kind = logs("errors").stdout
    (request_id,) = re.findall(r"logs request (\w+)", kind)
    whole = logs("request", request_id).stdout
    assert "django.db.utils.OperationalError: canceling statement due to lock timeout" in whole
    assert "rolled back: nothing was stored" in whole
    assert 'UPDATE "service_book"' in whole


def test_page_names_each_question() -> None:
    named = re.findall(r"^    python manage\.py logs (\w+)", PAGE, re.MULTILINE)
    assert {*REPORTS, "request", "sql", "prune"} <= set(named)
