"""What several pages need."""

from pathlib import Path

import pytest

from tests.docs.log_directory import install_format
from tests.serving.warm_python import running_python as running_python


@pytest.fixture(scope="module")
def lnav_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory in which lnav understands our lines."""
    directory = tmp_path_factory.mktemp("home")
    install_format(directory)
    return directory
