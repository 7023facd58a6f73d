"""The observability layer in a project that Django just made, by the steps of its page."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import ROOT

pytestmark = pytest.mark.slow

# The checks and the commands of the page, and then one request: in one process, most of whose time goes to imports.
REQUEST = """
import django; django.setup()
from django.core.management import call_command
from django.test import Client
call_command("check")
call_command("logging", "django.request")
print(Client(headers={"host": "localhost"}).get("/admin/login/").headers["X-Request-ID"])
"""


PAGES = """
import django; django.setup()
from django.core.management import call_command
from django.test import Client
call_command("check")
headers = {"host": "localhost", "sec-fetch-mode": "navigate", "accept": "text/html"}
opened = Client(headers=headers).get("/admin/login/?profile")
print("djDebug" in opened.content.decode())
page = Client(headers=headers).get(opened.headers["X-Profile-URL"]).content.decode()
print("djDebug" in page)
print("/admin/login/" in page and 'id="flame"' in page)
"""


@pytest.fixture(scope="module")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with what the page says to copy and to append."""
    directory = tmp_path_factory.mktemp("new")
    run_python(directory, "-m", "django", "startproject", "mysite", ".")
    shutil.copytree(ROOT / "observability", directory / "observability", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "logging.yaml", directory)
    append(directory / "mysite" / "settings.py", blocks()[0])
    return directory


@pytest.fixture
def project(new_project: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return shutil.copytree(new_project, tmp_path / "project")


def blocks() -> list[str]:
    """The code of the page: for settings, for settings of development, for the addresses, for Sentry."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "adopt.md").read_text(), re.DOTALL)


def append(path: Path, code: str) -> None:
    with path.open("a") as file:
        file.write(code)


def run_python(directory: Path, *command: str) -> str:
    """What Python prints, run in a directory that is not this repository's."""
    environment = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(directory), "PYTHONWARNINGS": "error"}
    completed = subprocess.run(
        [sys.executable, *command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_request_of_the_project_has_its_line(project: Path) -> None:
    checked, *described, request_id = run_python(project, "-c", REQUEST).splitlines()
    assert "no issues" in checked
    assert "logging.yaml:" in "\n".join(described)
    lines = [json.loads(line) for line in (project / "log" / "service.jsonl").read_text().splitlines()]
    assert [line["request_id"] for line in lines if line["event"] == "request"] == [request_id]


def test_project_can_have_the_toolbar(project: Path) -> None:
    append(project / "mysite" / "settings.py", blocks()[1])
    append(project / "mysite" / "urls.py", blocks()[2])
    checked, *found = run_python(project, "-c", PAGES).splitlines()
    assert "no issues" in checked
    assert found == ["True", "True", "True"]


def test_project_can_have_the_pages_of_calls_without_the_toolbar(project: Path) -> None:
    settings = [line for line in blocks()[1].splitlines() if "ToolbarMiddleware" not in line]
    kept = "\n".join(settings).partition("DEBUG_TOOLBAR_CONFIG")[0].replace(', "debug_toolbar"', "")
    assert "debug_toolbar" not in kept
    append(project / "mysite" / "settings.py", kept)
    urls = [line for line in blocks()[2].splitlines() if "debug_toolbar" not in line]
    append(project / "mysite" / "urls.py", "\n".join(urls))
    checked, *found = run_python(project, "-c", PAGES).splitlines()
    assert "no issues" in checked
    assert found == ["False", "False", "True"]
