"""The page about reading logs shows what its commands print, of the logs of one day."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from observability.logs.reading.arguments import REPORTS
from tests.docs.failing_day import write_failing_day
from tests.server import ROOT

PAGE = (ROOT / "docs" / "reading-logs.md").read_text()
WIDTH = "100"
# A line of the page that stands for any number of lines.
LEFT_OUT = "…"
SHOWN = re.findall(r"```\n\$ python manage\.py logs (.+)\n([^`]*)```", PAGE)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("log")
    write_failing_day(directory)
    return directory


def run(day: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"LOG_DIR": str(day), "COLUMNS": WIDTH, "DJANGO_SETTINGS_MODULE": "settings.development"}
    command = [sys.executable, "manage.py", "logs", *arguments]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def arguments_of(command: str) -> list[str]:
    return [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', command)]


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command.split()[0] for command, _ in SHOWN])
def test_page_shows_what_is_printed(day: Path, command: str, output: str) -> None:
    completed = run(day, *arguments_of(command))
    assert completed.returncode == 0, completed.stderr
    expected = "\n".join(".*(?:\n.*)*?" if line == LEFT_OUT else re.escape(line) for line in output.splitlines())
    assert re.fullmatch(expected, completed.stdout.rstrip("\n")), completed.stdout


def test_three_commands_lead_from_a_complaint_to_its_exception(day: Path) -> None:
    worst = run(day, "top", "--by", "errors", "--limit", "1").stdout
    assert "PATCH  /api/v1/trucks/<str:vin>/" in worst
    kind = run(day, "errors").stdout
    (request_id,) = re.findall(r"logs request (\w+)", kind)
    whole = run(day, "request", request_id).stdout
    assert "django.db.utils.OperationalError: canceling statement due to lock timeout" in whole
    assert "rolled back: nothing was stored" in whole
    assert 'UPDATE "service_truck"' in whole


def test_page_names_each_question() -> None:
    named = re.findall(r"^    python manage\.py logs (\w+)", PAGE, re.MULTILINE)
    assert {*REPORTS, "request", "sql", "prune"} <= set(named)
