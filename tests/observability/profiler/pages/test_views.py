"""Who may open the pages of calls, and what a program gets."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path
from pytest_django import Settings

from observability.profiler.policy import POLICY
from tests.probe.models import Publisher

CALLS = "/__debug__/requests/"
PROGRAM = {"Accept": "application/json"}


def counting(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"known": [Publisher.objects.count() for _ in range(3)], "api_key": "hunter2"})


urlpatterns = [
    path("counting/", counting),
    path("__debug__/requests/", include("observability.profiler.pages.urls")),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__), pytest.mark.usefixtures("recording", "_installed")]


@pytest.fixture
def _installed(settings: Settings) -> None:
    """The room as it is lifted into a project without the toolbar."""
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "observability.profiler"]


@pytest.fixture
def called() -> str:
    """The id of a call."""
    response = Client().get("/counting/?token=hunter2&page=2", headers={"X-Request-ID": "a-known-request"})
    url: str = response.headers["X-Profile-URL"]
    return url.split("/")[-2]


def asked(address: str, **extra: Any) -> Any:  # noqa: ANN401 - a response of the client
    return Client().get(address, **{"headers": PROGRAM} | extra)


ADDRESSES = ["", "latest/", "{0}/", "{0}/compare/{0}/", "{0}/speedscope.json"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("refused", ["debug", "address", "cross-site", "same-site"])
def test_address_does_not_exist_for_others(settings: Settings, called: str, address: str, refused: str) -> None:
    extra: dict[str, Any] = {}
    match refused:
        case "debug":
            settings.DEBUG = False
        case "address":
            extra = {"REMOTE_ADDR": "192.0.2.1"}
        case site:
            extra = {"headers": {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}}
    response = asked(CALLS + address.format(called), **extra)
    assert response.status_code == 404
    assert b"hunter" not in response.content
    assert "no call" not in response.content.decode()


def test_link_of_another_site_opens_a_page(called: str) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    assert asked(f"{CALLS}{called}/", headers=headers).status_code == 200


def test_pages_are_read_and_nothing_else(settings: Settings, called: str) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(f"{CALLS}{called}/").status_code == 405
    settings.DEBUG = False
    assert client.post(f"{CALLS}{called}/").status_code == 404


@pytest.mark.parametrize("address", ["", "latest/", "{0}/", "{0}/compare/{0}/", "nope/"])
@pytest.mark.parametrize("accept", ["text/html,*/*;q=0.8", "application/json", "*/*"])
def test_person_gets_a_page_and_a_program_json(called: str, address: str, accept: str) -> None:
    response = asked(CALLS + address.format(called), headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith("text/html" if "html" in accept else "application/json")
    assert response.status_code == (404 if "nope" in address else 200)
    assert response.headers["Content-Security-Policy"] == POLICY
    assert "no-store" in response.headers["Cache-Control"]
    assert "Accept" in response.headers["Vary"]


def test_page_has_its_own_headers_of_security(settings: Settings, called: str) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "SecurityMiddleware" not in name]
    headers = asked(f"{CALLS}{called}/").headers
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "same-origin")


def test_program_reads_a_call_without_its_secrets(called: str) -> None:
    response = asked(f"{CALLS}{called}/")
    told = response.json()
    assert (told["state"], told["status"], told["query_count"], told["repeated_count"]) == ("closed", 200, 3, 3)
    assert told["request"]["url"] == "/counting/?token=[redacted]&page=2"
    assert told["request_id"] == "a-known-request"
    (statement,) = told["statements"]
    assert (statement["count"], statement["cause"]["lines"][0].rpartition(" ")[2]) == (
        3,
        "counting.<locals>.<listcomp>",
    )
    assert told["flame_graph"] is None
    assert "hunter2" not in response.content.decode()


def test_list_tells_a_program_its_calls_and_what_a_filter_could_not_read(called: str) -> None:
    told = asked(f"{CALLS}?request_id=a-known-request").json()
    assert ([each["id"] for each in told["requests"]], told["errors"]) == ([called], {})
    response = asked(f"{CALLS}?status=x&min_ms=soon")
    assert response.status_code == 400
    assert set(response.json()["errors"]) == {"status", "min_ms"}


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("path=COUNT", True),
        ("path=page=2", True),
        ("path=%25", False),
        ("status=200", True),
        ("status=2xx", True),
        ("status=5xx", False),
        ("min_ms=0", True),
        ("min_ms=1e9", False),
        ("request_id=another", False),
    ],
)
def test_list_is_filtered(called: str, query: str, is_found: bool) -> None:
    assert [each["id"] for each in asked(f"{CALLS}?{query}").json()["requests"]] == ([called] if is_found else [])


def test_calls_of_the_pages_are_no_calls(called: str) -> None:
    for address in ADDRESSES:
        asked(CALLS + address.format(called))
    assert [each["id"] for each in asked(CALLS).json()["requests"]] == [called]


def test_nothing_was_called_yet() -> None:
    response = asked(f"{CALLS}latest/")
    assert (response.status_code, response.json()) == (404, {"error": "No call was recorded yet."})
    assert asked(CALLS).json() == {"requests": [], "errors": {}}


@pytest.mark.parametrize("address", ADDRESSES)
def test_file_that_cannot_be_used_is_told_in_a_sentence(settings: Settings, tmp_path: Path, address: str) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"VAR_DIR": str(tmp_path)}
    (tmp_path / "profiles.sqlite3").mkdir()
    response = asked(CALLS + address.format("nope"))
    assert response.status_code == 503
    assert response.json()["error"].startswith(f"{tmp_path}/profiles.sqlite3 cannot be used: ")


def test_numbers_of_a_drawing_are_those_of_svg_in_any_language(settings: Settings) -> None:
    settings.LANGUAGE_CODE = "de"
    settings.USE_THOUSAND_SEPARATOR = True
    url: str = Client().get("/counting/?profile").headers["X-Profile-URL"]
    page = asked(url, headers={"Accept": "text/html"}).content.decode()
    written = re.findall(r' (?:x|y|x1|x2|width|height)="([^"]*)"', page)
    assert len(written) > 10
    assert [each for each in written if not re.fullmatch(r"[0-9.]+%?", each)] == []


def test_comparison_tells_a_program_what_changed(called: str) -> None:
    told = asked(f"{CALLS}{called}/compare/{called}/").json()
    assert (told["verdict"], told["totals"]["queries"]) == ("3 queries in both", [3, 3])


def test_comparison_with_a_call_that_is_not_kept_says_which(called: str) -> None:
    response = asked(f"{CALLS}{called}/compare/nope/")
    assert (response.status_code, response.json()["error"]) == (404, "There is no call nope: the last 500 are kept.")


def test_file_for_speedscope_is_a_download(called: str) -> None:
    url: str = Client().get("/counting/?profile").headers["X-Profile-URL"]
    response = asked(f"{url}speedscope.json")
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    assert response.json()["profiles"][0]["type"] == "sampled"
    assert asked(f"{CALLS}{called}/speedscope.json").status_code == 404
