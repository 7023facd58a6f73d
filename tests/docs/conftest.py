"""What several pages need."""

from pathlib import Path

import pytest

from tests.docs.log_directory import install_format, missing
from tests.serving.warm_python import running_python as running_python


@pytest.fixture(scope="module")
def lnav_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory in which lnav knows our lines."""
    if not_run := missing("lnav"):
        pytest.fail(not_run)
    directory = tmp_path_factory.mktemp("home")
    install_format(directory)
    return directory
