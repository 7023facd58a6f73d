"""Log lines on stdout, in processes of the layer `container`."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.observability.logs.processes import run_python
from tests.server import own_environment

SERVED = "import django; django.setup(); import logging; logging.getLogger('probe').info('started')"


def container_environment(directory: Path) -> dict[str, str]:
    return own_environment(directory, LOGGING_LAYERS="production,container")


@pytest.mark.slow
def test_stdout_of_a_command_has_no_log_lines(tmp_path: Path) -> None:
    # The command reads only this table.
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        database.execute("CREATE TABLE probe_publisher (id integer PRIMARY KEY, name varchar(100))")
    completed = run_python(
        "manage.py", "dumpdata", "--skip-checks", "probe.publisher", environment=container_environment(tmp_path)
    )
    assert json.loads(completed.stdout) == []
    (line,) = map(json.loads, completed.stderr.splitlines())
    assert (line["logger"], line["command.name"]) == ("observability.command", "dumpdata")


def test_lines_of_a_service_are_on_stdout(tmp_path: Path) -> None:
    completed = run_python("-c", SERVED, environment=container_environment(tmp_path))
    (line,) = map(json.loads, completed.stdout.splitlines())
    assert (line["event"], completed.stderr) == ("started", "")
