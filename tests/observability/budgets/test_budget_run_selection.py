"""Full runs: runs that include all tests of the budget file's roots."""

import pytest

from tests.observability.budgets.conftest import Project

FILES = {
    "project_settings.py": """
SECRET_KEY = "x"
INSTALLED_APPS = ["observability", "observability.budgets"]
MIDDLEWARE = ["observability.middleware.ObservationMiddleware"]
ROOT_URLCONF = "urls"
""",
    "urls.py": """
from django.http import HttpResponse
from django.urls import path

def view(request):
    return HttpResponse()

urlpatterns = [path(name, view) for name in ("books/", "authors/", "health/")]
""",
    "tests/service/test_books.py": """
def test_books(client):
    client.get("/books/")

def test_nothing():
    pass
""",
    "tests/service/api/test_authors.py": """
def test_authors(client):
    client.get("/authors/")
""",
    "tests/settings/test_health.py": """
import pytest

def test_health(client):
    client.get("/health/")

@pytest.mark.slow
def test_slow():
    pass
""",
}
BUDGETS = {"GET /authors/": {"max": 0}, "GET /books/": {"max": 0}}
STALE = "GET /gone/ has a budget, but no test measures it"


@pytest.fixture
def project(empty_project: Project) -> Project:
    """Return a project with the root tests/service. Its budget file has an entry that no test measures.

    A full run fails because of this entry.
    """
    empty_project.write(FILES)
    empty_project.configure("query_budget_tests = tests/service", "testpaths = tests", "markers = slow")
    empty_project.budgets = BUDGETS | {"GET /gone/": {"max": 1}}
    return empty_project


def is_full(project: Project, *arguments: str, directory: str = ".") -> bool:
    outcome = project.run(*arguments, directory=directory)
    has_failed = STALE in outcome.output
    assert (outcome.status, " passed" in outcome.output) == (int(has_failed), True), outcome.output
    return has_failed


FULL = [
    "",
    ".",
    "tests",
    "tests/service",
    "tests/service tests/settings",
    "tests/service/api tests/service",
    "-m not(slow)",
    "-k not(health)",
    "-x",
    "--ignore=tests/settings",
    "--ignore-glob=*/test_health.py",
    "--deselect=tests/settings/test_health.py",
]
PARTIAL = [
    "tests/service/api",
    "tests/settings",
    "tests/service/test_books.py",
    "tests/service/api tests/service/test_books.py::test_books",
    "-k books",
    "-k not(nothing)",
    "-m slow",
    "--ignore=tests/service/api",
    "--ignore=tests/service/api/test_authors.py",
    "--ignore-glob=*/test_authors.py",
    "--ignore-glob=*/api",
    "--deselect=tests/service/test_books.py::test_nothing",
    "--lf",
]


@pytest.mark.parametrize("arguments", FULL)
def test_run_that_includes_all_roots_is_full(arguments: str, project: Project) -> None:
    assert is_full(project, *arguments.split())


@pytest.mark.slow
@pytest.mark.parametrize("arguments", PARTIAL)
def test_run_that_leaves_out_a_test_of_a_root_is_not_full(arguments: str, project: Project) -> None:
    assert not is_full(project, *arguments.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("tests/service", True), ("-m not(slow)", True), ("-k not(nothing)", False), ("tests/service/api", False)],
)
def test_run_with_xdist_is_full_if_no_worker_left_out_a_test(
    arguments: str, *, expected: bool, project: Project
) -> None:
    assert is_full(project, "-n2", *arguments.split()) is expected


CRASH = """
import os

import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if getattr(session.config, "workerinput", {}).get("workerid") == "gw0":
        os._exit(1)
"""


@pytest.mark.slow
def test_run_is_not_full_if_a_worker_crashed_after_its_tests(project: Project) -> None:
    project.write({"tests/conftest.py": CRASH})
    outcome = project.run("-n1")
    assert " failed" not in outcome.output
    assert "5 passed" in outcome.output
    assert "has a budget, but no test measures it" not in outcome.output


@pytest.mark.slow
@pytest.mark.parametrize(("directory", "expected"), [("tests/service", True), ("tests/settings", False)])
def test_run_in_a_subdirectory_is_full_if_it_includes_all_roots(
    directory: str, *, expected: bool, project: Project
) -> None:
    assert is_full(project, directory=directory) is expected


@pytest.mark.slow
def test_run_is_not_full_if_a_plugin_removes_a_test(project: Project) -> None:
    hook = "def pytest_collection_modifyitems(items):\n    items[:] = items[1:]\n"
    project.write({"tests/service/conftest.py": hook})
    assert not is_full(project)


@pytest.mark.slow
def test_run_stopped_at_its_first_failure_reports_no_missing_entries(project: Project) -> None:
    project.write({"tests/service/test_books.py": FILES["tests/service/test_books.py"].replace("pass", "assert 0")})
    project.budgets = {}
    missing = "GET /books/ has no budget: it runs 0 queries"
    assert missing in project.run().output
    assert missing not in project.run("-x", "tests/service/test_books.py", "tests").output


def test_run_with_a_skipped_test_is_full(project: Project) -> None:
    skipped = "import pytest\n\ndef test_nothing():\n    pytest.skip('not here')\n"
    project.write({"tests/service/test_skipped.py": skipped})
    assert is_full(project)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("configuration", "arguments", "expected"),
    [
        ("testpaths = tests/service", "tests/service", True),
        ("testpaths = tests/service", "tests/service/api", False),
        ("testpaths = tests/ser*", "tests/service", True),
        ("", "", True),
        ("", "tests", False),
        ("query_budget_tests = tests/service/api tests/settings", "tests/settings tests/service/api", True),
        ("query_budget_tests = tests/service/api tests/settings", "tests/service", False),
        ("query_budget_tests = tests/service/test_books.py", "tests/service/test_books.py", True),
        ("query_budget_tests = tests/service/test_books.py", "tests/service -k books", True),
        ("query_budget_tests = tests/service */tests.py", "tests/service", True),
        ("query_budget_tests = tests/service/api */test_books.py tests/*/test_books.py", "tests/service/api", False),
    ],
)
def test_roots_come_from_the_configuration(
    configuration: str, arguments: str, *, expected: bool, project: Project
) -> None:
    project.configure(configuration, "markers = slow")
    project.budgets |= {"GET /health/": {"max": 0}}
    found = project.run(*arguments.split()).output
    assert (STALE in found) is expected


def test_missing_root_is_a_usage_error(project: Project) -> None:
    project.configure("query_budget_tests = tests/servce")
    outcome = project.run()
    assert outcome.status == pytest.ExitCode.USAGE_ERROR
    assert "query_budget_tests" in outcome.output
    assert f"'tests/servce', which does not exist in {project.path}" in outcome.output
    assert "Traceback" not in outcome.output


def test_tests_outside_of_the_roots_do_not_change_the_file(project: Project) -> None:
    project.budgets = {}
    assert project.run("--query-budget=record").status == 0
    assert set(project.budgets) == set(BUDGETS)
    assert project.run().status == 0


@pytest.fixture
def project_with_database(project: Project) -> Project:
    """Return the project with a database and without the stale entry. `/books/?query` runs one query."""
    databases = '\nDATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}\n'
    query = "    if 'query' in request.GET:\n        connection.cursor().execute('SELECT 1')\n    return"
    urls = "from django.db import connection" + FILES["urls.py"].replace("    return", query)
    project.write({"project_settings.py": FILES["project_settings.py"] + databases, "urls.py": urls})
    project.budgets = BUDGETS
    return project


@pytest.mark.slow
def test_tests_outside_of_the_roots_do_not_set_scale(project_with_database: Project) -> None:
    test = """
def test_health(client, django_assert_constant_queries):
    django_assert_constant_queries(lambda rows: None, lambda: client.get("/books/"))
"""
    project_with_database.write({"tests/settings/test_health.py": test})
    assert project_with_database.run("--query-budget=record").status == 0
    assert "scale" not in project_with_database.budgets["GET /books/"]


@pytest.mark.slow
def test_tests_outside_of_the_roots_can_fail_but_not_raise_a_budget(project_with_database: Project) -> None:
    test = """
import pytest

@pytest.mark.django_db
def test_health(client):
    client.get("/books/?query")
"""
    project_with_database.write({"tests/settings/test_health.py": test})
    outcome = project_with_database.run("tests/settings")
    assert outcome.status == pytest.ExitCode.TESTS_FAILED
    assert "GET /books/ runs 1 query, its budget is 0" in outcome.output
    assert project_with_database.run("--query-budget=record", "--query-budget-reason=why").status == 0
    assert project_with_database.budgets["GET /books/"]["max"] == 0
