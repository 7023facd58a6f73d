"""The steps of the pages that start a service and replace the fleet, executed on a copy; then code of tutorials."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.console import matches
from tests.server import ROOT
from tests.template.project import Project, make_project

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "start-a-service.md").read_text()
REPLACING = (ROOT / "docs" / "replace-the-fleet.md").read_text()

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


class Step(NamedTuple):
    """A code block of the page, and the paragraph above it."""

    text: str
    language: str
    code: str


def steps(heading: str, page: str = PAGE) -> list[Step]:
    """Return the code blocks below a heading, in the order of the page."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    # Text and code blocks alternate.
    texts_and_blocks = re.split(r"^```(.*\n(?:(?!```).*\n)*)```$", section, flags=re.MULTILINE)
    found = []
    for text, block in zip(texts_and_blocks[::2], texts_and_blocks[1::2], strict=False):
        language, _, code = block.partition("\n")
        found.append(Step(text.strip().rpartition("\n\n")[2], language, code))
    return found


def write_code(project: Project, heading: str, page: str = PAGE) -> None:
    """Do with each Python block what the sentence above it says."""
    for step in steps(heading, page):
        if step.language != "python":
            continue
        path = re.findall(r"`([^`]*)`", step.text)[-1]
        if step.text.startswith("Create "):
            assert not (project.path / path).exists()
            project.write(path, step.code)
        elif "Replace the content of " in step.text:
            assert (project.path / path).exists()
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


def commands(heading: str, page: str = PAGE) -> list[str]:
    return [step.code for step in steps(heading, page) if step.language == "sh"]


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
    printed = project.succeed("sh", "-c", checking)
    assert matches("\n".join(expected), printed), printed
    assert {path: path.read_text() for path in migrations} == migrations


def test_tests_pass_with_the_budgets_that_they_record(project: Project) -> None:
    (testing, _), (expected,) = commands("Test it"), outputs("Test it")
    printed = project.succeed("sh", "-c", testing)
    for line in expected:
        assert line == "…" or line in printed
    assert '"GET /api/v1/books/"' in (project.path / "service" / "query_budgets.json").read_text()
    project.succeed("bin/test", "reviews/tests.py", "--query-budget=record")
    project.succeed("bin/test", "tests/service", "tests/settings/test_layers.py")


def test_renamed_service_passes_the_tests_of_settings_and_serving(project: Project) -> None:
    project.succeed("bin/test", "tests/settings", "tests/serving", "-m", "not external")


@pytest.fixture(scope="module")
def bookshop(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the template with the model of the page, and without the fleet."""
    bookshop = make_project(tmp_path_factory.mktemp("bookshop"))
    add_books(bookshop)
    write_code(bookshop, "Test it")
    (bookshop.path / "var").mkdir(exist_ok=True)
    for heading in ("Delete the files of the fleet", "Remove the fleet from the other files"):
        for command in commands(heading, REPLACING):
            bookshop.succeed("sh", "-ec", command)
        write_code(bookshop, heading, REPLACING)
    for command in commands("Create a new first migration", REPLACING):
        bookshop.succeed("sh", "-ec", command)
    (checking,) = commands("Check the result", REPLACING)
    *first, last = checking.splitlines()
    for command in first:
        bookshop.succeed("sh", "-ec", command)
    assert last == "bin/test"
    return bookshop


def test_service_without_the_fleet_passes_the_checks_and_its_tests(bookshop: Project) -> None:
    assert find_fleet(bookshop) == []
    # The tests of the layer do not import the service.
    bookshop.succeed("bin/test", "tests", "--ignore=tests/observability", "-m", "not external and not slow")


@pytest.mark.parametrize("directory", ["tests/serving", "tests/benchmarks"])
def test_service_without_the_fleet_passes_the_slow_tests(bookshop: Project, directory: str) -> None:
    bookshop.succeed("bin/test", directory, "-m", "slow and not external")


def find_fleet(project: Project) -> list[str]:
    """Return the files of the service, and of its tests, that have a word of the fleet."""
    files = [*(project.path / "service").rglob("*.*"), *(project.path / "tests" / "service").rglob("*.*")]
    texts = {str(file): file.read_text() for file in files if file.suffix in (".py", ".json")}
    return [name for name, text in texts.items() if re.search(r"truck|fleet|gbt32960|telemetry", text, re.IGNORECASE)]


def test_table_of_the_files_that_stay_has_all_files() -> None:
    (deleting,) = commands("Delete the files of the fleet", REPLACING)
    table = REPLACING.partition("| what stays in `service/` |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([\w/]+\.py)`", table))
    for directory, section in (("service", "cd service\n"), ("tests/service", "cd ../tests/service\n")):
        commands_there = deleting.partition(section)[2].partition("\ncd ")[0]
        deleted = {word for line in commands_there.splitlines() for word in line.split()[1:] if word != "-r"}
        files = {path.relative_to(ROOT / directory).as_posix() for path in (ROOT / directory).rglob("[!_]*.py")}
        files = {file for file in files if "migrations/" not in file and file != "conftest.py"}
        kept = {file for file in files if file not in deleted and file.split("/")[0] not in deleted}
        assert kept <= named
        assert not deleted & named


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
