"""Log lines on stdout, in processes of the layer `container`."""

import json
import subprocess
import sys
from pathlib import Path

from tests.server import ROOT, production_environment

SERVED = "import django; django.setup(); import logging; logging.getLogger('service').info('started')"


def run(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = production_environment(directory, LOGGING_LAYERS="production,container")
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )


def test_output_of_a_command_is_without_log_lines(tmp_path: Path) -> None:
    run(tmp_path, "manage.py", "migrate", "--verbosity=0")
    completed = run(tmp_path, "manage.py", "dumpdata", "service.publisher")
    assert json.loads(completed.stdout) == []
    (line,) = map(json.loads, completed.stderr.splitlines())
    assert (line["logger"], line["command.name"]) == ("observability.command", "dumpdata")


def test_lines_of_a_service_are_on_stdout(tmp_path: Path) -> None:
    completed = run(tmp_path, "-c", SERVED)
    (line,) = map(json.loads, completed.stdout.splitlines())
    assert (line["event"], completed.stderr) == ("started", "")
