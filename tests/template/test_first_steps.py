"""The steps of the page that starts a service, executed on a copy of the template; then code as tutorials write it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.server import ROOT
from tests.template.project import Project, make_project

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "start-a-service.md").read_text()

APP_VIEWS = """\
import logging
from django.http import Http404, HttpResponse
from django.shortcuts import render
from rest_framework.decorators import api_view
from rest_framework.response import Response
from .models import Review

logger = logging.getLogger(__name__)


def index(request):
    logger.info(f'{Review.objects.count()} reviews')
    return HttpResponse("There are %s reviews." % Review.objects.count())


@api_view(['GET'])
def detail(request, pk, format=None):
    \"\"\"
    One review.
    \"\"\"
    try:
        review = Review.objects.get(pk=pk)
    except Review.DoesNotExist:
        raise Http404("Review does not exist")
    return Response({'book': review.book.title})
"""

APP_MODELS = """\
from django.db import models


class Review(models.Model):
    book = models.ForeignKey('service.Book', on_delete=models.CASCADE)
    text = models.CharField(max_length=200, null=True, blank=True)
    pub_date = models.DateTimeField("date published")
"""

APP_TESTS = """\
from django.test import TestCase


class ReviewIndexTests(TestCase):
    def test_no_reviews(self):
        response = self.client.get("/reviews/")
        self.assertContains(response, "There are 0 reviews.")
"""

# What a service without the fleet has in the place of its files.
BOOKS_ONLY = {
    "service/models.py": """\
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    pass


""",
    "service/querysets.py": "",
    "service/admin.py": """\
from django.contrib import admin


""",
    "service/api/urls.py": """\
from rest_framework.routers import DefaultRouter

router = DefaultRouter()

urlpatterns = [
    *router.urls,
]
""",
}


class Step(NamedTuple):
    """A code block of the page, and the paragraph above it."""

    text: str
    language: str
    code: str


def steps(heading: str) -> list[Step]:
    """Return the code blocks below a heading, in the order of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    # Text and code blocks alternate.
    texts_and_blocks = re.split(r"^```(.*\n(?:(?!```).*\n)*)```$", section, flags=re.MULTILINE)
    found = []
    for text, block in zip(texts_and_blocks[::2], texts_and_blocks[1::2], strict=False):
        language, _, code = block.partition("\n")
        found.append(Step(text.strip().rpartition("\n\n")[2], language, code))
    return found


def write_code(project: Project, heading: str) -> None:
    """Do with each Python block what the sentence above it says."""
    for step in steps(heading):
        if step.language != "python":
            continue
        assert step.text.count("`") in (2, 4), step.text
        path = re.findall(r"`([^`]*)`", step.text)[-1]
        if step.text.startswith("Create "):
            assert not (project.path / path).exists()
            project.write(path, step.code)
        elif step.text.startswith("Append this to "):
            project.append(path, f"\n\n{step.code}")
        elif step.text.startswith("Add this import to "):
            text = (project.path / path).read_text()
            start = re.search(r"^(from|import) ", text, re.MULTILINE)
            assert start
            project.write(path, text[: start.start()] + step.code + text[start.start() :])
        elif step.text.startswith("Add this line before "):
            line = re.findall(r"`([^`]*)`", step.text)[0]
            project.replace(path, line, f"{step.code}\n{line}")
        else:
            pytest.fail(f"Nothing says what to do with a block: {step.text!r}")


def commands(heading: str) -> list[str]:
    return [step.code for step in steps(heading) if step.language == "sh"]


def outputs(heading: str) -> list[list[str]]:
    return [step.code.splitlines() for step in steps(heading) if step.language == "text"]


def add_books(project: Project) -> None:
    """Follow the page from the model to the admin."""
    write_code(project, "Add a model")
    write_code(project, "Add an API")
    write_code(project, "Add an admin page")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the template with another name, with the model of the page, and with an app in the style of tutorials."""
    project = make_project(tmp_path_factory.mktemp("template"))
    (renaming,) = re.findall(r"^perl .*", "".join(commands("Name the service")), re.MULTILINE)
    project.succeed("sh", "-c", renaming)
    add_books(project)
    (migrating,) = commands("Add a model")
    project.succeed("sh", "-c", migrating)
    write_code(project, "Test it")
    add_app(project)
    return project


def add_app(project: Project) -> None:
    project.manage("startapp", "reviews")
    project.replace("settings/base.py", '    "service",\n', "    \"service\",\n    'reviews',\n")
    project.replace(
        "settings/urls.py",
        "\nurlpatterns = [\n",
        "from reviews import views\n\nurlpatterns = [\n"
        "    path('reviews/', views.index),\n    path('reviews/<int:pk>/', views.detail),\n",
    )
    project.write("reviews/models.py", APP_MODELS)
    project.write("reviews/views.py", APP_VIEWS)
    project.write("reviews/tests.py", APP_TESTS)
    project.manage("makemigrations")


def test_service_serves_the_new_routes_under_its_new_name(project: Project) -> None:
    (_, requesting), (expected,) = commands("Try it"), outputs("Try it")
    with project.served() as service:
        printed = project.succeed("sh", "-ec", requesting.replace(":8000/", f":{service.port}/"))
        assert printed == "".join(expected)
        assert service.get("/reviews/") == (200, "There are 0 reviews.")
        assert service.get("/reviews/1/")[0] == 404
        assert service.get("/admin/login/")[0] == 200
    assert f"  API       http://127.0.0.1:{service.port}/api/v1/" in service.output.read_text()
    assert '"service.name":"bookshop"' in (project.path / "var" / "log" / "service.jsonl").read_text()


def test_checks_pass_after_the_safe_fixes(project: Project) -> None:
    migrations = {path: path.read_text() for path in project.path.glob("*/migrations/000*.py")}
    assert Path("reviews", "migrations", "0001_initial.py") in {path.relative_to(project.path) for path in migrations}
    (checking,), (expected,) = commands("Check it"), outputs("Check it")
    assert project.succeed("sh", "-c", checking).splitlines()[2:] == expected
    assert {path: path.read_text() for path in migrations} == migrations


def test_tests_pass_with_the_budgets_that_they_record(project: Project) -> None:
    (testing, _), (expected,) = commands("Test it"), outputs("Test it")
    printed = project.succeed("sh", "-c", testing)
    for line in expected:
        assert line == "…" or line in printed
    assert '"GET /api/v1/books/"' in (project.path / "service" / "query_budgets.json").read_text()
    project.succeed("bin/test", "reviews/tests.py", "--query-budget=record")
    project.succeed("bin/test", "tests/service", "tests/settings/test_layers.py")


def replaced_files() -> Iterator[tuple[str, str]]:
    """Return the files and directories of the table, each with what to do."""
    table = PAGE.partition("| file of `service/` | what to do |\n|---|---|\n")[2].partition("\n\n")[0]
    for cell, action in re.findall(r"^\| (.*?) \| (.*?) \|$", table, re.MULTILINE):
        yield from ((name, action) for name in re.findall(r"`(.*?)`", cell))


def test_each_file_of_the_service_is_in_the_table_once() -> None:
    names = [name for name, _ in replaced_files()]
    files = [path for path in (ROOT / "service").rglob("*") if path.is_file() and path.suffix in (".py", ".json")]
    for file in files:
        path = file.relative_to(ROOT / "service").as_posix()
        found = [name for name in names if path == name or (name.endswith("/") and path.startswith(name))]
        assert len(found) == 1, f"{path} is in the table {len(found)} times"
    assert [name for name in names if not (ROOT / "service" / name).exists()] == []


def test_fleet_can_be_replaced(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    for name, action in replaced_files():
        path = project.path / "service" / name
        if action.startswith("delete") and path.is_file():
            path.unlink()
        elif action == "delete":
            shutil.rmtree(path)
    shutil.rmtree(project.path / "service" / "api")
    (project.path / "service" / "api").mkdir()
    project.write("service/api/__init__.py", "")
    for name, text in BOOKS_ONLY.items():
        project.write(name, text)
    project.replace("service/management/commands/prepare.py", "from service.models import Truck\n", "")
    project.replace(
        "service/management/commands/prepare.py",
        '        if not Truck.objects.exists():\n            call_command("load_demo_fleet", stdout=self.stdout)\n',
        "",
    )
    add_books(project)
    for path in (project.path / "tests" / "service").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in ("__init__.py", "conftest.py"):
            path.unlink()
    write_code(project, "Test it")
    (project.path / "var").mkdir(exist_ok=True)
    for command in commands("Replace the fleet"):
        project.succeed("sh", "-ec", command)
    project.succeed("bin/check", "--fix")
    project.succeed("bin/test", "tests/service", "--query-budget=record")
    project.succeed(
        "bin/test", "tests/settings", "tests/benchmarks", "tests/test_language.py", "-m", "not external and not slow"
    )


def test_reference_has_the_commands_of_the_service_and_no_other_benchmark() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    section = page.partition("\n## Manage: the service\n")[2]
    documented = re.findall(r"^### `manage\.py (\w+)`$", section, re.MULTILINE)
    directory = ROOT / "service" / "management" / "commands"
    assert set(documented) == {path.stem for path in directory.glob("[!_]*.py")}
    benchmarks = re.findall(
        r"^\| `(\w+)` \|", page.partition("### `bin/bench`\n")[2].partition("\n###")[0], re.MULTILINE
    )
    assert [name for name in benchmarks if not (ROOT / "benchmarks" / f"{name}.py").exists()] == []
