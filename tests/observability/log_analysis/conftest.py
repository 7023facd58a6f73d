"""Fixtures of the tests of log analysis."""

from pathlib import Path

import pytest


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    """Return a directory for logs; `records.write` fills it."""
    directory = tmp_path / "log"
    directory.mkdir()
    return directory
