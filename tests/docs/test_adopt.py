"""The observability layer in a project that Django just created, by the steps of the page."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.console import matches
from tests.server import ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "adopt.md").read_text()

SETTINGS = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}

REQUEST = """
import django; django.setup()
from django.test import Client
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

TEST = """
import pytest

@pytest.mark.django_db
def test_login_page(client):
    assert client.get("/admin/login/").status_code == 200
"""


# The project writes an error to each of the log files, if it has any.
FAILURE = """
import logging
from django.test import TestCase

class FailureTests(TestCase):
    def test_failure(self):
        logging.getLogger("shop").error("failed")
        self.assertEqual(self.client.get("/nothing/").status_code, 404)
"""


def blocks(heading: str, language: str) -> list[str]:
    """Return the code blocks of a language below a heading of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def append(path: Path, code: str) -> None:
    with path.open("a") as file:
        file.write(code)


def start(directory: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a directory that is not this repository, with `python` and `pytest` of the tests."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(directory),
        "PYTHONWARNINGS": "error",
        **variables,
    }
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def succeed(directory: Path, *command: str, **variables: str) -> str:
    """Return what a command prints, which must succeed."""
    completed = start(directory, *command, **variables)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@pytest.fixture(scope="module")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project, with the copies and the settings of the page."""
    directory = tmp_path_factory.mktemp("new")
    succeed(directory, "python", "-m", "django", "startproject", "mysite", ".")
    (commands,) = blocks("Copy it", "sh")
    copying, installing, ignoring = commands.splitlines()
    assert installing.startswith("pip install ")
    succeed(directory, "sh", "-c", copying.replace("../vitrine", str(ROOT)))
    succeed(directory, "sh", "-c", ignoring)
    (settings,) = blocks("Configure it", "python")
    append(directory / "mysite" / "settings.py", settings)
    return directory


@pytest.fixture
def project(new_project: Path, tmp_path: Path) -> Path:
    """A copy of the new project for one test."""
    return shutil.copytree(new_project, tmp_path / "project")


def test_packages_of_the_page_are_dependencies_of_this_repository() -> None:
    commands = "".join(blocks("Copy it", "sh") + blocks("Profile requests in development", "sh"))
    lines = re.findall(r"^pip install (.*)", commands, re.MULTILINE)
    named = {word.strip('"') for line in lines for word in line.split()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert named <= {*project["dependencies"], *project["optional-dependencies"]["development"]}


def test_request_of_the_project_has_its_line(project: Path) -> None:
    (commands,) = blocks("Check it", "sh")
    checked, *described = succeed(project, "sh", "-ec", commands).splitlines()
    assert "no issues" in checked
    assert any("logging.yaml:" in line for line in described)
    (request_id,) = succeed(project, "python", "-c", REQUEST, **SETTINGS).split()
    lines = [json.loads(line) for line in (project / "log" / "service.jsonl").read_text().splitlines()]
    assert [line["request_id"] for line in lines if line["event"] == "request"] == [request_id]
    (command,) = blocks("Send a request", "sh")
    assert succeed(project, "sh", "-c", command).splitlines()[-1].endswith(f"ms {request_id[:8]}")


def test_outputs_are_those_of_the_page(project: Path) -> None:
    (commands,), (expected,) = blocks("Check it", "sh"), blocks("Check it", "text")
    printed = succeed(project, "sh", "-ec", commands.splitlines()[-1])
    assert matches(expected, printed), printed
    succeed(project, "python", "-c", REQUEST, **SETTINGS)
    (command,), (expected,) = blocks("Send a request", "sh"), blocks("Send a request", "text")
    printed = succeed(project, "sh", "-c", command)
    assert matches(expected, printed), printed


def test_tests_write_no_files(project: Path) -> None:
    (settings,) = blocks("Separate the tests", "python")
    (command,) = blocks("Separate the tests", "sh")
    (pyproject,) = blocks("Separate the tests", "toml")
    (sentry,) = blocks("Report failures to Sentry", "python")
    append(project / "mysite" / "settings.py", sentry)
    (project / "mysite" / "test_settings.py").write_text(settings)
    (project / "pyproject.toml").write_text(pyproject)
    (project / "shop").mkdir()
    (project / "shop" / "__init__.py").touch()
    (project / "shop" / "tests.py").write_text(FAILURE)
    assert "Ran 1 test" in start(project, "sh", "-c", command).stderr
    assert "1 passed" in succeed(project, "pytest")
    # The settings create the directory of the log files.
    assert [path for name in ("log", "var", "sentry-spool") for path in (project / name).rglob("*")] == []


def test_lint_error_is_the_last_line_of_a_traceback_and_one_line_with_the_manage_py_of_the_page(project: Path) -> None:
    layers = project / "logging.yaml"
    layers.write_text(layers.read_text().replace("[observation, console, ", "[observation, consol, "))
    error = "the root logger references handler 'consol', which is not defined."
    traced = start(project, "python", "manage.py", "check")
    assert traced.stderr.startswith("Traceback")
    assert error in traced.stderr.splitlines()[-1]
    manage = project / "manage.py"
    call = "    execute_from_command_line(sys.argv)\n"
    (code,) = blocks("Check it", "python")
    assert call in manage.read_text()
    manage.write_text(manage.read_text().replace(call, "".join(f"    {line}\n" for line in code.splitlines())))
    caught = start(project, "python", "manage.py", "check")
    assert caught.returncode == 1
    assert re.fullmatch(rf"manage\.py: logging\.yaml:\d+: {error} .*\n", caught.stderr)


def test_project_can_have_the_toolbar(project: Path) -> None:
    settings, urls = blocks("Profile requests in development", "python")
    append(project / "mysite" / "settings.py", settings)
    append(project / "mysite" / "urls.py", urls)
    checked, *found = succeed(project, "python", "-c", PAGES, **SETTINGS).splitlines()
    assert "no issues" in checked
    assert found == ["True", "True", "True"]


def test_project_can_have_the_pages_of_requests_without_the_toolbar(project: Path) -> None:
    settings, urls = blocks("Profile requests in development", "python")
    kept = "\n".join(line for line in settings.splitlines() if "ToolbarMiddleware" not in line)
    kept = kept.partition("DEBUG_TOOLBAR_CONFIG")[0].replace(', "debug_toolbar"', "")
    assert "debug_toolbar" not in kept
    append(project / "mysite" / "settings.py", kept)
    append(project / "mysite" / "urls.py", "\n".join(line for line in urls.splitlines() if "debug_toolbar" not in line))
    checked, *found = succeed(project, "python", "-c", PAGES, **SETTINGS).splitlines()
    assert "no issues" in checked
    assert found == ["False", "False", "True"]


def test_project_can_report_to_sentry(project: Path) -> None:
    (settings,) = blocks("Report failures to Sentry", "python")
    append(project / "mysite" / "settings.py", settings)
    assert "no issues" in succeed(project, "python", "manage.py", "check")
    assert "waiting  no events" in succeed(project, "python", "manage.py", "sentry", "status")


def test_project_can_have_query_budgets(project: Path) -> None:
    settings, plugin = blocks("Assert query counts", "python")
    append(project / "mysite" / "settings.py", settings)
    append(project / "conftest.py", plugin)
    append(project / "test_login.py", TEST)
    (test_settings,), (pyproject,) = blocks("Separate the tests", "python"), blocks("Separate the tests", "toml")
    append(project / "mysite" / "test_settings.py", test_settings)
    append(project / "pyproject.toml", pyproject)
    (command,) = blocks("Assert query counts", "sh")
    succeed(project, "sh", "-c", command)
    assert list(json.loads((project / "query_budgets.json").read_text())) == ["GET /admin/login/"]
    assert "no issues" in succeed(project, "python", "manage.py", "check")
