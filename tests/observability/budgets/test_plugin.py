"""The plugin in a small project of its own: the budget file, the options, the marks."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "observability", "observability.budgets"]
MIDDLEWARE = ["observability.middleware.ObservationMiddleware"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
ROOT_URLCONF = "shop_urls"
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

def both(request):
    return HttpResponse(User.objects.count() + User.objects.using("other").count())

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

@pytest.mark.django_db(transaction=True)
def test_users_of_a_server(live_server):
    import urllib.request
    fill(2)
    urllib.request.urlopen(f"{live_server.url}/users/").read()
"""

BUDGETS = "query_budgets.json"
USERS = "1x SELECT … FROM auth_user"
RECORDED: dict[str, dict[str, Any]] = {
    "GET /counted/": {"max": 1, "scale": "constant", "statements": ["1x SELECT COUNT(*) FROM auth_user"]},
    "GET /members/<int:page>/": {
        "max": 4,
        "statements": ["3x SELECT COUNT(*) FROM auth_group JOIN auth_user_groups WHERE …", USERS],
    },
    "GET /users/": {"max": 1, "scale": "constant", "statements": [USERS]},
}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three views, all of which its tests measure."""
    root = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop_settings")
    pytester.makepyfile(shop_settings=SETTINGS, shop_urls=URLS, test_views=TESTS)
    pytester.makeconftest('pytest_plugins = ["observability.budgets.plugin"]')
    pytester.makeini("[pytest]\nDJANGO_SETTINGS_MODULE = shop_settings\npythonpath = .\nfilterwarnings = error\n")
    return pytester.path


def run(pytester: pytest.Pytester, *arguments: str) -> tuple[int, str]:
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)
    return int(result.ret), result.stdout.str() + result.stderr.str()


def budgets(project: Path) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((project / BUDGETS).read_text())
    return written


def change(project: Path, **entries: dict[str, Any] | None) -> None:
    """Change or take away entries of the budget file, by the first word of their path."""
    written = budgets(project)
    for name, entry in entries.items():
        key = next((key for key in written if f"/{name}/" in key), f"GET /{name}/")
        written[key] = written.get(key, {"statements": []}) | (entry or {})
        if entry is None:
            del written[key]
    (project / BUDGETS).write_text(json.dumps(written))


@pytest.fixture
def recorded(project: Path) -> Path:
    """The project with its budgets recorded."""
    (project / BUDGETS).write_text(json.dumps(RECORDED))
    return project


@pytest.mark.parametrize("order", [["-n0"], ["-n4"]])
def test_tests_in_any_order_and_process_record_the_same_file(
    order: list[str], project: Path, pytester: pytest.Pytester
) -> None:
    test = project / "test_views.py"
    test.write_text(test.read_text().replace("[3, 1, 2]", "[2, 1, 3]" if "-n4" in order else "[3, 1, 2]"))
    status, output = run(pytester, "--query-budget=record", *order)
    assert (status, budgets(project)) == (0, RECORDED)
    assert "query_budgets.json written: 3 routes measured" in output


def test_route_over_its_budget_fails_with_the_command_that_raises_it(recorded: Path, pytester: pytest.Pytester) -> None:
    change(recorded, members={"max": 2, "statements": [USERS, "1x SELECT COUNT(*) FROM auth_group WHERE …"]})
    status, output = run(pytester, "-k", "test_members", "-n", "2")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "GET /members/<int:page>/ runs 4 queries, its budget is 2" in output
    assert "3x  (new)  SELECT COUNT(*) FROM auth_group" in output
    lines = (recorded / "shop_urls.py").read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if "groups.count" in line)
    assert f"line   shop_urls.py:{number} members.<locals>.<genexpr>" in output
    assert 'pytest --query-budget=record --query-budget-reason="…"' in output
    assert "FAILED query_budgets.json::GET /members/<int:page>/" in output


def test_missing_and_stale_entries_fail_a_full_run_alone(recorded: Path, pytester: pytest.Pytester) -> None:
    change(recorded, users=None, gone={"max": 3})
    status, output = run(pytester)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "GET /users/ has no budget: it runs 1 query" in output
    assert "GET /gone/ has a budget, and no test measured it" in output
    assert "pytest --query-budget=record --query-budget-prune" in output
    assert run(pytester, "-k", "test_")[0] == 0
    assert run(pytester, "--query-budget=record", "--query-budget-prune")[0] == 0
    assert budgets(recorded) == RECORDED


def test_route_without_a_test_fails_where_routes_are_required(recorded: Path, pytester: pytest.Pytester) -> None:
    urls = recorded / "shop_urls.py"
    urls.write_text(f'{urls.read_text()}\nurlpatterns += [path("new/", users)]\n')
    status, output = run(pytester, "--query-budget-require-routes")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "GET /new/ is measured by no test" in output
    assert "GET /members/<int:page>/ is not known to run as many queries for any number of rows" in output
    change(recorded, members={"reason": "groups are few"}, new={"max": None, "reason": "tried by hand"})
    assert run(pytester, "--query-budget-require-routes")[0] == 0


def test_report_has_every_route_beside_its_budget(recorded: Path, pytester: pytest.Pytester) -> None:
    assert run(pytester, "--query-budget-report=out/report.md")[0] == 0
    report = (recorded / "out" / "report.md").read_text()
    assert "| `GET /members/<int:page>/` | 4 | 4 | 0 | 0 |  |" in report


MARKED = """
import pytest
from test_views import fill

pytestmark = pytest.mark.django_db

@pytest.mark.query_budget(max=1, reason="a test")
def test_held(client):
    fill(2)
    client.get("/members/1/")

@pytest.mark.query_budget(max=1, allow=["auth_group"], reason="a test")
def test_allowed(client):
    fill(20)
    client.get("/members/1/")

@pytest.mark.no_query_budget(reason="a test")
def test_waived(client):
    fill(20)
    client.get("/members/1/")

@pytest.mark.no_query_budget
def test_without_a_reason():
    pass
"""


def test_marks_hold_or_waive_the_requests_of_their_test(recorded: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_marks=MARKED)
    status, output = run(pytester, "test_marks.py")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "2 passed" in output
    assert "GET /members/<int:page>/ runs 3 queries, at most 1 allowed" in output
    assert 'needs a reason: no_query_budget(…, reason="why")' in output


def test_file_that_cannot_be_used_ends_the_run_with_one_sentence(project: Path, pytester: pytest.Pytester) -> None:
    (project / BUDGETS).write_text('{"GET /": {"max": 1},\n<<<<<<< HEAD')
    status, output = run(pytester)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "query_budgets.json:2: not JSON" in output
    assert "Traceback" not in output


def test_reason_without_recording_is_refused(recorded: Path, pytester: pytest.Pytester) -> None:
    status, output = run(pytester, "--query-budget-reason=it has to")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "--query-budget-reason is for recording: add --query-budget=record" in output


MISTAKEN = """
import pytest
from test_views import fill

pytestmark = pytest.mark.django_db

def test_grows(client, django_assert_constant_queries):
    django_assert_constant_queries(fill, lambda: client.get("/members/1/"))

def test_over(client):
    fill(9)
    client.get("/members/1/")
"""


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_colours_are_for_the_terminal_alone(workers: str, recorded: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mistaken=MISTAKEN)
    output = run(pytester, "test_mistaken.py", workers, "--color=yes", "--junitxml=junit.xml")[1]
    assert output.count("\x1b[36mline\x1b[0m   shop_urls.py") == 2
    assert "\x1b[31m+1 per row\x1b[0m" in output
    junit = (recorded / "junit.xml").read_text()
    assert ("line   shop_urls.py" in junit, "#x1B" in junit) == (True, False)
    assert "\x1b" not in run(pytester, "test_mistaken.py", workers)[1]
