"""Access to the profiler's pages, and their JSON for programs."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path
from pytest_django import Settings

from observability.profiler.visibility import CONTENT_SECURITY_POLICY
from tests.probe.models import Publisher

REQUESTS = "/__debug__/requests/"
PROGRAM = {"Accept": "application/json"}
NO_REQUEST_STORED = "No request is stored yet. Send a request to the service, then reload this page."


def counting(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"known": [Publisher.objects.count() for _ in range(3)], "api_key": "hunter2"})


urlpatterns = [
    path("counting/", counting),
    path("__debug__/requests/", include("observability.profiler.urls")),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__), pytest.mark.usefixtures("recording", "_installed")]


@pytest.fixture
def _installed(settings: Settings) -> None:
    """Install the profiler in a project without the toolbar."""
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "observability.profiler"]


@pytest.fixture
def profile_id() -> str:
    """Return the id of a profile."""
    response = Client().get("/counting/?token=hunter2&page=2", headers={"X-Request-ID": "a-known-request"})
    url: str = response.headers["X-Profile-URL"]
    return url.split("/")[-2]


def get(address: str, **extra: Any) -> Any:  # noqa: ANN401 - a response of the client
    return Client().get(address, **{"headers": PROGRAM} | extra)


ADDRESSES = ["", "latest/", "{0}/", "{0}/compare/{0}/", "{0}/speedscope.json"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("refused", ["debug", "address", "cross-site", "same-site"])
def test_other_clients_get_a_404(settings: Settings, profile_id: str, address: str, refused: str) -> None:
    extra: dict[str, Any] = {}
    match refused:
        case "debug":
            settings.DEBUG = False
        case "address":
            extra = {"REMOTE_ADDR": "192.0.2.1"}
        case site:
            extra = {"headers": {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}}
    response = get(REQUESTS + address.format(profile_id), **extra)
    assert response.status_code == 404
    assert b"hunter" not in response.content
    assert "No request" not in response.content.decode()


def test_link_on_another_site_opens_a_page(profile_id: str) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    assert get(f"{REQUESTS}{profile_id}/", headers=headers).status_code == 200


def test_pages_allow_only_get_and_head(settings: Settings, profile_id: str) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(f"{REQUESTS}{profile_id}/").status_code == 405
    settings.DEBUG = False
    assert client.post(f"{REQUESTS}{profile_id}/").status_code == 404


@pytest.mark.parametrize("address", ["", "latest/", "{0}/", "{0}/compare/{0}/", "nope/"])
@pytest.mark.parametrize("accept", ["text/html,*/*;q=0.8", "application/json", "*/*"])
def test_browser_gets_a_page_and_a_program_gets_json(profile_id: str, address: str, accept: str) -> None:
    response = get(REQUESTS + address.format(profile_id), headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith("text/html" if "html" in accept else "application/json")
    assert response.status_code == (404 if "nope" in address else 200)
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "no-store" in response.headers["Cache-Control"]
    assert "Accept" in response.headers["Vary"]


def test_page_has_security_headers(settings: Settings, profile_id: str) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "SecurityMiddleware" not in name]
    headers = get(f"{REQUESTS}{profile_id}/").headers
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "same-origin")


def test_json_of_a_profile_has_no_secrets(profile_id: str) -> None:
    response = get(f"{REQUESTS}{profile_id}/")
    document = response.json()
    assert (document["state"], document["status"], document["query_count"], document["repeated_count"]) == (
        "closed",
        200,
        3,
        3,
    )
    assert document["request"]["url"] == "/counting/?token=[redacted]&page=2"
    assert document["request_id"] == "a-known-request"
    (statement,) = document["statements"]
    assert (statement["count"], statement["origin"]["lines"][0].rpartition(" ")[2]) == (
        3,
        "counting.<locals>.<listcomp>",
    )
    assert document["flame_graph"] is None
    assert "hunter2" not in response.content.decode()


def test_json_of_the_list_has_requests_and_errors_of_filters(profile_id: str) -> None:
    document = get(f"{REQUESTS}?request_id=a-known-request").json()
    assert ([each["id"] for each in document["requests"]], document["errors"]) == ([profile_id], {})
    response = get(f"{REQUESTS}?status=x&min_ms=soon")
    assert response.status_code == 400
    assert set(response.json()["errors"]) == {"status", "min_ms"}


@pytest.mark.parametrize("min_ms", ["-1", "nan", "inf", "soon"])
def test_minimum_duration_must_be_a_number_of_0_or_more(min_ms: str) -> None:
    error = f"'{min_ms}' is not a duration. Allowed: a number of milliseconds, 0 or more"
    assert get(f"{REQUESTS}?min_ms={min_ms}").json()["errors"] == {"min_ms": error}


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
def test_list_can_be_filtered(profile_id: str, query: str, is_found: bool) -> None:
    assert [each["id"] for each in get(f"{REQUESTS}?{query}").json()["requests"]] == ([profile_id] if is_found else [])


def test_requests_to_the_pages_are_not_profiled(profile_id: str) -> None:
    for address in ADDRESSES:
        get(REQUESTS + address.format(profile_id))
    assert [each["id"] for each in get(REQUESTS).json()["requests"]] == [profile_id]


def test_list_is_empty_before_the_first_request() -> None:
    response = get(f"{REQUESTS}latest/")
    assert (response.status_code, response.json()) == (404, {"error": NO_REQUEST_STORED})
    assert get(REQUESTS).json() == {"requests": [], "errors": {}}


@pytest.mark.parametrize("address", ADDRESSES)
def test_unusable_file_is_reported(settings: Settings, tmp_path: Path, address: str) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"VAR_DIR": str(tmp_path)}
    (tmp_path / "profiles.sqlite3").mkdir()
    response = get(REQUESTS + address.format("nope"))
    assert response.status_code == 503
    assert response.json()["error"].startswith(f"{tmp_path}/profiles.sqlite3 cannot be used: ")


def test_svg_numbers_do_not_depend_on_the_language(settings: Settings) -> None:
    settings.LANGUAGE_CODE = "de"
    settings.USE_THOUSAND_SEPARATOR = True
    url: str = Client().get("/counting/?profile").headers["X-Profile-URL"]
    page = get(url, headers={"Accept": "text/html"}).content.decode()
    written = re.findall(r' (?:x|y|x1|x2|width|height)="([^"]*)"', page)
    assert len(written) > 10
    assert [each for each in written if not re.fullmatch(r"[0-9.]+%?", each)] == []


def test_json_of_a_comparison_has_the_changes(profile_id: str) -> None:
    document = get(f"{REQUESTS}{profile_id}/compare/{profile_id}/").json()
    assert (document["verdict"], document["totals"]["queries"]) == ("3 queries in both requests", [3, 3])


def test_comparison_with_a_missing_request_names_it(profile_id: str) -> None:
    response = get(f"{REQUESTS}{profile_id}/compare/nope/")
    assert (response.status_code, response.json()["error"]) == (
        404,
        "Not stored: nope. Only the last 500 requests are kept.",
    )


def test_speedscope_file_is_a_download(profile_id: str) -> None:
    url: str = Client().get("/counting/?profile").headers["X-Profile-URL"]
    response = get(f"{url}speedscope.json")
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    assert response.json()["profiles"][0]["type"] == "sampled"
    assert get(f"{REQUESTS}{profile_id}/speedscope.json").status_code == 404
