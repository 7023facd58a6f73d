"""Python warnings, from the start of a process."""

import json
from pathlib import Path

import pytest

from tests.observability.logs.processes import run_python
from tests.server import own_environment

WARNED = """
import warnings
from django.conf import settings
settings.LOGGING
warnings.warn("before logging is configured")
import django
django.setup()
warnings.warn("afterwards")
"""


@pytest.mark.slow
def test_warning_goes_to_stderr_until_logging_is_configured_and_then_to_the_log(tmp_path: Path) -> None:
    completed = run_python("-c", WARNED, environment=own_environment(tmp_path))
    assert completed.returncode == 0
    assert "before logging is configured" in completed.stderr
    assert "afterwards" not in completed.stderr
    lines = [json.loads(line) for line in (tmp_path / "log" / "service.jsonl").read_text().splitlines()]
    assert ["afterwards" in line["event"] for line in lines if line["logger"] == "py.warnings"] == [True]
