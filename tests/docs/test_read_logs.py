"""docs/read-logs.md shows what its commands print, over the log files of the failing day."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from observability.log_analysis.cli import REPORTS
from tests.docs.failing_day_logs import write_failing_day
from tests.server import ROOT
from tests.serving.warm_python import WarmPython

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "read-logs.md").read_text()
TERMINAL_WIDTH = "100"
# A line of the page that stands for any number of lines.
ANY_LINES = "…"
CONSOLE_BLOCKS = re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
# The commands of all blocks, with the output below each. A command may continue on indented lines.
COMMANDS = [
    (command, output)
    for block in CONSOLE_BLOCKS
    for command, output in re.findall(r"^\$ (.*(?:\n {4}.*)*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]

RunLogs = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run_logs(tmp_path_factory: pytest.TempPathFactory, python: WarmPython) -> RunLogs:
    """Run `manage.py logs` over the logs of the failing day. The result of a command is cached."""
    directory = tmp_path_factory.mktemp("log")
    write_failing_day(directory)
    settings = {"LOG_DIR": str(directory), "COLUMNS": TERMINAL_WIDTH, "DJANGO_SETTINGS_MODULE": "settings.development"}

    @cache
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return python.run("manage.py", "logs", *arguments, env=os.environ | settings)

    return run


def logs_arguments(command: str) -> list[str]:
    """Return the arguments behind `bin/manage logs`, as the shell passes them."""
    program, subcommand, *arguments = shlex.split(command.replace("\\\n", ""))
    assert (program, subcommand) == ("bin/manage", "logs")
    return arguments


def test_page_has_commands_in_every_console_block() -> None:
    assert len(COMMANDS) >= len(CONSOLE_BLOCKS) > 0
    assert PAGE.count("\n$ ") == len(COMMANDS)


@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[command.strip()[:40] for command, _ in COMMANDS])
def test_command_prints_the_output_of_the_page(run_logs: RunLogs, command: str, output: str) -> None:
    completed = run_logs(*logs_arguments(command))
    assert completed.returncode == 0, completed.stderr
    expected = "\n".join(".*(?:\n.*)*?" if line == ANY_LINES else re.escape(line) for line in output.splitlines())
    assert re.fullmatch(expected, completed.stdout.rstrip("\n")), completed.stdout


def test_three_commands_lead_from_a_complaint_to_its_exception(run_logs: RunLogs) -> None:
    worst = run_logs("top", "--by", "errors", "--limit", "3").stdout.partition("route  ")[2].splitlines()[1]
    assert worst.startswith("PATCH  /api/v1/trucks/<vin>/ ")
    (request_id,) = re.findall(r"logs request (\w+)", run_logs("errors").stdout)
    request = run_logs("request", request_id).stdout
    assert "django.db.utils.OperationalError: canceling statement due to lock timeout" in request
    assert "rolled back" in request
    assert 'UPDATE "service_truck"' in request


def test_page_lists_every_subcommand() -> None:
    listed = re.findall(r"^\| `bin/manage logs (\w+)", PAGE, re.MULTILINE)
    assert set(listed) == {*REPORTS, "request", "sql", "prune"}


def test_page_installs_the_packages_that_reading_without_settings_imports() -> None:
    code = "import sys, duckdb, observability.log_analysis.__main__; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    modules = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    imported = {name.partition(".")[0] for name in modules}
    distributions = packages_distributions()
    packages = {distributions[name][0] for name in imported if name in distributions and not name.startswith("_")}
    (installed,) = re.findall(r"^pip install (.+)$", PAGE, re.MULTILINE)
    assert packages == set(installed.split())
