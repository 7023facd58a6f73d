"""Which files are project files, and their paths."""

from pathlib import Path

import pytest

from observability.recorders import call_stack
from observability.recorders.call_stack import relative_project_path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a symbolic link to an app in another directory."""
    (tmp_path / "elsewhere" / "shop").mkdir(parents=True)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "shop").symlink_to(tmp_path / "elsewhere" / "shop")
    (tmp_path / "link").symlink_to(tmp_path / "project")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "root"),
    [
        ("project/views.py", "project"),
        ("link/views.py", "project"),
        ("project/views.py", "link"),
        ("project/views.zip/views.py", "project"),
    ],
)
def test_path_of_a_project_file_is_relative_to_the_root(file: str, root: str, project: Path) -> None:
    path = relative_project_path(str(project / file), str(project / root))
    assert path == file.partition("/")[2]


def test_linked_app_has_its_path_inside_the_project(project: Path) -> None:
    assert relative_project_path(f"{project}/project/shop/views.py", f"{project}/project") == "shop/views.py"


@pytest.mark.parametrize("file", ["elsewhere/shop/views.py", "project/lib/site-packages/x.py", "<string>"])
def test_other_files_have_no_project_path(file: str, project: Path) -> None:
    name = file if file.startswith("<") else f"{project}/{file}"
    assert relative_project_path(name, f"{project}/project") is None


def test_linked_observability_package_is_not_project_code(project: Path) -> None:
    (project / "project" / "observability").symlink_to(Path(call_stack.__file__).parent)
    assert relative_project_path(f"{project}/project/observability/readers.py", f"{project}/project") is None
