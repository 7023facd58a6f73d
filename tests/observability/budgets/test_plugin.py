"""The plugin in a small project: budget file, options and markers."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.observability.budgets.conftest import Project
from tests.server import ROOT

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "observability", "observability.budgets"]
MIDDLEWARE = ["observability.middleware.ObservationMiddleware"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
ROOT_URLCONF = "urls"
USE_TZ = True
STATIC_URL = "static/"
"""

URLS = """
from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from django.urls import path

def users(request):
    return HttpResponse(", ".join(user.username for user in User.objects.all()))

def members(request, page):
    return HttpResponse(sum(user.groups.count() for user in User.objects.all()))

async def counted(request):
    return HttpResponse(await User.objects.acount())

urlpatterns = [path("users/", users), path("members/<int:page>/", members), path("counted/", counted)]
"""

TESTS = """
import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

pytestmark = pytest.mark.django_db

def fill(count):
    User.objects.bulk_create([User(username=str(number)) for number in range(count)])

def test_users(client, django_assert_constant_queries):
    django_assert_constant_queries(fill, lambda: client.get("/users/"))

def test_counted(django_assert_constant_queries):
    async def call():
        await AsyncClient().get("/counted/")
    django_assert_constant_queries(fill, call)

@pytest.mark.parametrize("count", [3, 1, 2])
def test_members(count, client):
    fill(count)
    client.get("/members/1/")

def test_same_members(client):
    fill(3)
    client.get("/members/1/")
"""

# Only one test uses a live server, because stopping the server takes half a second.
SERVER_TESTS = """
import urllib.request

import pytest
from test_views import fill

@pytest.mark.django_db(transaction=True)
def test_users_of_a_server(live_server):
    fill(2)
    urllib.request.urlopen(f"{live_server.url}/users/").read()
"""

USERS = "1x SELECT … FROM auth_user"
RECORDED: dict[str, dict[str, Any]] = {
    "GET /counted/": {"max": 1, "scale": "constant", "statements": ["1x SELECT COUNT(*) FROM auth_user"]},
    "GET /members/<int:page>/": {
        "max": 4,
        "statements": ["3x SELECT COUNT(*) FROM auth_group JOIN auth_user_groups WHERE …", USERS],
    },
    "GET /users/": {"max": 1, "scale": "constant", "statements": [USERS]},
}
OVER_BUDGET = {"max": 2, "statements": [USERS, "1x SELECT COUNT(*) FROM auth_group WHERE …"]}


@pytest.fixture
def project(empty_project: Project) -> Project:
    """Return a project with three views and tests that measure all of them."""
    empty_project.write({"project_settings.py": SETTINGS, "urls.py": URLS, "test_views.py": TESTS})
    empty_project.configure("addopts = --nomigrations")
    return empty_project


@pytest.fixture
def recorded(project: Project) -> Project:
    """Return the project with a recorded budget file."""
    project.budgets = RECORDED
    return project


def change(project: Project, **entries: dict[str, Any] | None) -> None:
    """Change or remove (None) entries of the budget file. The keywords are the first words of their paths."""
    written = project.budgets
    for name, entry in entries.items():
        key = next((key for key in written if f"/{name}/" in key), f"GET /{name}/")
        written[key] = written.get(key, {"statements": []}) | (entry or {})
        if entry is None:
            del written[key]
    project.budgets = written


@pytest.mark.parametrize(
    ("counts", "workers"), [("[3, 1, 2]", "-n0"), pytest.param("[2, 1, 3]", "-n4", marks=pytest.mark.slow)]
)
def test_recorded_file_does_not_depend_on_test_order_or_workers(counts: str, workers: str, project: Project) -> None:
    project.write({"test_views.py": TESTS.replace("[3, 1, 2]", counts), "test_server.py": SERVER_TESTS})
    outcome = project.run("--query-budget=record", workers)
    assert (outcome.status, project.budgets) == (0, RECORDED)
    assert "query_budgets.json written: 3 routes measured" in outcome.output


@pytest.mark.parametrize("workers", ["-n0", pytest.param("-n2", marks=pytest.mark.slow)])
def test_route_over_budget_fails_with_the_record_command(workers: str, recorded: Project) -> None:
    change(recorded, members=OVER_BUDGET)
    outcome = recorded.run("-k", "test_members", workers)
    assert outcome.status == pytest.ExitCode.TESTS_FAILED
    assert "GET /members/<int:page>/ runs 4 queries, its budget is 2" in outcome.output
    assert "3x  (new)  SELECT COUNT(*) FROM auth_group" in outcome.output
    lines = URLS.splitlines()
    number = next(number for number, line in enumerate(lines, 1) if "groups.count" in line)
    assert f"line   urls.py:{number} members.<locals>.<genexpr>" in outcome.output
    assert 'pytest --query-budget=record --query-budget-reason="…"' in outcome.output
    assert "FAILED query_budgets.json::GET /members/<int:page>/" in outcome.output


@pytest.mark.slow
def test_raising_a_budget_needs_a_reason(recorded: Project) -> None:
    change(recorded, members=OVER_BUDGET)
    refused = recorded.run("--query-budget=record")
    assert refused.status == pytest.ExitCode.TESTS_FAILED
    assert "GET /members/<int:page>/ runs 4 queries, its budget is 2" in refused.output
    assert recorded.budgets["GET /members/<int:page>/"] == OVER_BUDGET
    raised = recorded.run("--query-budget=record", "--query-budget-reason=groups are few")
    assert raised.status == 0
    assert "raised GET /members/<int:page>/ from 2 to 4" in raised.output
    assert "raised" not in refused.output
    assert recorded.budgets["GET /members/<int:page>/"] == {
        **RECORDED["GET /members/<int:page>/"],
        "reason": "groups are few",
    }


@pytest.mark.slow
def test_only_a_full_run_lowers_a_budget(recorded: Project) -> None:
    change(recorded, users={"max": 9})
    outcome = recorded.run("--query-budget=record", "-k", "test_users or test_members")
    assert (outcome.status, recorded.budgets["GET /users/"]["max"]) == (0, 9)
    assert "not all tests ran: no budget was lowered or removed" in outcome.output
    assert recorded.run("--query-budget=record").status == 0
    assert recorded.budgets == RECORDED


@pytest.mark.slow
def test_missing_and_stale_entries_fail_only_a_full_run(recorded: Project) -> None:
    change(recorded, users=None, gone={"max": 3})
    outcome = recorded.run()
    assert outcome.status == pytest.ExitCode.TESTS_FAILED
    assert "GET /users/ has no budget: it runs 1 query" in outcome.output
    assert "GET /gone/ has a budget, but no test measures it" in outcome.output
    assert "pytest --query-budget=record --query-budget-prune" in outcome.output
    assert recorded.run("-k", "not test_same_members").status == 0
    assert recorded.run("--query-budget=record", "--query-budget-prune").status == 0
    assert recorded.budgets == RECORDED


@pytest.mark.slow
def test_route_without_a_test_fails_if_routes_are_required(recorded: Project) -> None:
    recorded.write({"urls.py": f'{URLS}\nurlpatterns += [path("new/", users)]\n'})
    outcome = recorded.run("--query-budget-require-routes")
    assert outcome.status == pytest.ExitCode.TESTS_FAILED
    assert "GET /new/ is not measured by any test" in outcome.output
    assert "GET /members/<int:page>/ has no test that verifies a constant number of queries" in outcome.output
    change(recorded, members={"reason": "groups are few"}, new={"max": None, "reason": "tried by hand"})
    assert recorded.run("--query-budget-require-routes").status == 0


@pytest.mark.slow
def test_report_has_each_route_with_its_budget(recorded: Project) -> None:
    assert recorded.run("--query-budget-report=out/report.md").status == 0
    report = (recorded.path / "out" / "report.md").read_text()
    assert "| `GET /members/<int:page>/` | 4 | 4 | 0 | 0 |  |" in report


MARKED = """
import pytest
from test_views import fill

pytestmark = pytest.mark.django_db

@pytest.mark.query_budget(max=1, reason="a test")
def test_limited(client):
    fill(2)
    client.get("/members/1/")

@pytest.mark.query_budget(max=1, allow=["auth_group"], reason="a test")
def test_allowed(client):
    fill(20)
    client.get("/members/1/")

@pytest.mark.no_query_budget(reason="a test")
def test_excluded(client):
    fill(20)
    client.get("/members/1/")

@pytest.mark.no_query_budget
def test_without_a_reason():
    pass
"""


@pytest.mark.slow
def test_markers_limit_or_exclude_the_requests_of_a_test(recorded: Project) -> None:
    recorded.write({"test_markers.py": MARKED})
    outcome = recorded.run("test_markers.py")
    assert outcome.status == pytest.ExitCode.TESTS_FAILED
    assert "2 passed" in outcome.output
    assert "GET /members/<int:page>/ runs 3 queries, at most 1 allowed" in outcome.output
    assert 'has no reason. Write no_query_budget(…, reason="why")' in outcome.output


def test_invalid_budget_file_is_a_usage_error(project: Project) -> None:
    project.write({"query_budgets.json": '{"GET /": {"max": 1},\n<<<<<<< HEAD'})
    outcome = project.run()
    assert outcome.status == pytest.ExitCode.USAGE_ERROR
    assert "query_budgets.json:2 is not valid JSON" in outcome.output
    assert "Traceback" not in outcome.output


def test_run_without_django_settings_is_a_usage_error(tmp_path: Path) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", "pytest", "-p", "observability.budgets.plugin", "-p", "no:django"]
    # The plugin needs the repository, and must not read its configuration of pytest.
    completed = subprocess.run(
        command, cwd=tmp_path, env=variables | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert completed.returncode == pytest.ExitCode.USAGE_ERROR
    assert "set DJANGO_SETTINGS_MODULE" in completed.stderr
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize("option", ["--query-budget-reason=it has to", "--query-budget-prune"])
def test_recording_option_without_record_is_a_usage_error(option: str, recorded: Project) -> None:
    outcome = recorded.run(option)
    assert outcome.status == pytest.ExitCode.USAGE_ERROR
    assert f"{option.partition('=')[0]} has no effect without --query-budget=record" in outcome.output


FAILING = """
import pytest
from test_views import fill

pytestmark = pytest.mark.django_db

def test_grows(client, django_assert_constant_queries):
    django_assert_constant_queries(fill, lambda: client.get("/members/1/"))

def test_over(client):
    fill(9)
    client.get("/members/1/")
"""


@pytest.mark.slow
def test_failed_scaling_test_does_not_change_or_check_the_file(recorded: Project) -> None:
    recorded.write({"test_failing.py": FAILING})
    arguments = ["--query-budget=record", "--query-budget-reason=why", "test_failing.py::test_grows"]
    assert "FAILED query_budgets.json" not in recorded.run(arguments[-1]).output
    assert recorded.run(*arguments).status == pytest.ExitCode.TESTS_FAILED
    assert recorded.budgets == RECORDED


@pytest.mark.parametrize("workers", ["-n0", pytest.param("-n1", marks=pytest.mark.slow)])
def test_only_terminal_output_has_colors(workers: str, recorded: Project) -> None:
    recorded.write({"test_failing.py": FAILING})
    colored = recorded.run("test_failing.py", workers, "--color=yes", "--junitxml=junit.xml")
    assert colored.output.count("\x1b[36mline\x1b[0m   urls.py") == 2
    assert "\x1b[31m+1 per row\x1b[0m" in colored.output
    junit = (recorded.path / "junit.xml").read_text()
    assert ("line   urls.py" in junit, "#x1B" in junit) == (True, False)
    plain = recorded.run("test_failing.py", workers)
    assert plain.status == pytest.ExitCode.TESTS_FAILED
    assert "\x1b" not in plain.output
