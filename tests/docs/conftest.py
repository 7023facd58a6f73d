"""Fixtures that the tests of several pages use."""

from pathlib import Path

import pytest

from tests.docs.sample_logs import install_lnav_format
from tests.serving.warm_python import running_python as running_python


@pytest.fixture(scope="module")
def lnav_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home directory in which the lnav format of our lines is installed."""
    directory = tmp_path_factory.mktemp("home")
    install_lnav_format(directory)
    return directory
