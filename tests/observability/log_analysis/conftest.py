"""Fixtures of the tests of reading."""

from pathlib import Path

import pytest


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    """A directory for logs; `records.write` fills it."""
    directory = tmp_path / "log"
    directory.mkdir()
    return directory
