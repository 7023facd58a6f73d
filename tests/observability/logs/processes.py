"""Python in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.server import ROOT

# A process that hangs ends its test; no test depends on how fast one is.
HANGS_AFTER_S = 120


def run_python(*arguments: str, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, from the root of the repository, and return what it wrote and its status."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=HANGS_AFTER_S, check=False
    )
