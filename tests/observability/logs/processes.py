"""Run Python in a new process."""

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.server import ROOT

# A process that hangs fails its test. No test depends on the speed of a process.
TIMEOUT_S = 120


def run_python(*arguments: str, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in the root of the repository. Return its output and exit status."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=TIMEOUT_S, check=False
    )
