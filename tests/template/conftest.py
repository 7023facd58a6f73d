"""Copies of the template to work on."""

from pathlib import Path

import pytest

from tests.template.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new copy of the template."""
    return make_project(tmp_path)
