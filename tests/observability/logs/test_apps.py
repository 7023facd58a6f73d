"""Warnings of Python, from the start of a process on."""

import json
import subprocess
import sys
from pathlib import Path

from tests.server import ROOT, production_environment

WARNED = """
import warnings
from django.conf import settings
settings.LOGGING
warnings.warn("before logging is configured")
import django
django.setup()
warnings.warn("afterwards")
"""


def test_warning_is_told_on_stderr_until_logging_is_configured_and_then_a_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WARNED]
    environment = production_environment(tmp_path, PYTHONWARNINGS="default")
    completed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "before logging is configured" in completed.stderr
    assert "afterwards" not in completed.stderr
    lines = [json.loads(line) for line in (tmp_path / "log" / "service.jsonl").read_text().splitlines()]
    assert ["afterwards" in line["event"] for line in lines if line["logger"] == "py.warnings"] == [True]
