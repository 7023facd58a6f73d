"""The page of a JSON answer, without a browser and without the toolbar."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.urls import path
from pytest_django import Settings
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from observability.browser.json_page import MAX_SHOWN_BYTES
from observability.observation import Observation, current
from observability.step import Step
from service.models import Manufacturer

NAVIGATION = {"sec-fetch-mode": "navigate", "accept": "text/html,*/*;q=0.8"}
BODY = '{"name":"</script><script>alert(1)</script>\u2028","next":"http://example.com/?a=1&b=2","count":1.50}'.encode()


def as_json(content: bytes = BODY, **headers: str) -> Callable[[HttpRequest], HttpResponse]:
    media_type = headers.pop("content_type", "application/json")
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(content, content_type=media_type, headers=named)

    return view


class Missing(APIView):
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        raise NotFound


def failing(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"detail": "broken"}, status=500)


def calling(request: HttpRequest) -> HttpResponse:
    observation = current()
    assert observation is not None
    for _ in range(2):
        observation.record(Step("call", "GET a 200", "a", 2.0))
    return JsonResponse({})


def counting(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"known": [Manufacturer.objects.count() for _ in range(3)]})


@transaction.non_atomic_requests
async def asynchronous(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"asynchronous": True})


def streaming(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([BODY], content_type="application/json")


urlpatterns = [
    path("json/", as_json()),
    path("problem/", as_json(content_type="application/problem+json; charset=utf-8")),
    path("missing/", Missing.as_view()),
    path("failing/", failing),
    path("calling/", calling),
    path("counting/", counting),
    path("asynchronous/", asynchronous),
    path("gzip/", as_json(gzip.compress(BODY), Content_Encoding="gzip", ETag='"1"')),
    path("bomb/", as_json(gzip.compress(b'"' + b"x" * 50_000_000 + b'"'), Content_Encoding="gzip")),
    path("broken-gzip/", as_json(BODY, Content_Encoding="gzip")),
    path("brotli/", as_json(b"?", Content_Encoding="br")),
    path("streaming/", streaming),
    path("download/", as_json(Content_Disposition='attachment; filename="a.json"')),
    path("redirect/", as_json(Location="/json/")),
    path("large/", as_json(json.dumps(["\u00e9" * 10] * 100_000, ensure_ascii=False).encode())),
    path("no-json/", as_json(b"<b>hello</b>")),
    path("empty/", as_json(b"")),
    path("html/", as_json(b"<p>hello</p>", content_type="text/html")),
    path("headers/", as_json(ETag='"1"', Cache_Control="max-age=60", X_Api_Token="hunter2", X_Other="kept")),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture(autouse=True)
def development(settings: Settings) -> None:
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.MIDDLEWARE = [
        settings.MIDDLEWARE[0],
        "observability.browser.json_page.JsonPageMiddleware",
        *settings.MIDDLEWARE[1:],
    ]


def opened(path: str, **extra: Any) -> Any:  # noqa: ANN401
    """What a browser gets when a person opens the address."""
    return Client(raise_request_exception=False).get(path, headers=NAVIGATION, **extra)


def is_page(response: HttpResponseBase) -> bool:
    return (
        isinstance(response, HttpResponse)
        and response.headers["Content-Type"].startswith("text/html")
        and b'<pre id="json"' in response.content
    )


def fact(response: HttpResponse, name: str) -> str:
    found = re.search(rf'<dd id="{name}">(.*?)</dd>', response.content.decode())
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("path", "status"), [("/json/", 200), ("/problem/", 200), ("/gzip/", 200), ("/missing/", 404), ("/failing/", 500)]
)
def test_json_that_a_person_opens_is_a_page_with_its_status(path: str, status: int) -> None:
    response = opened(path)
    assert is_page(response)
    assert response.status_code == status
    assert f">{status} {response.reason_phrase}<" in response.content.decode()


@pytest.mark.parametrize("path", ["/json/", "/gzip/", "/missing/", "/failing/", "/large/", "/headers/"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"accept": "text/html,*/*"},
        {"sec-fetch-mode": "cors", "accept": "text/html"},
        {"sec-fetch-mode": "navigate"},
    ],
)
def test_program_gets_what_it_would_get_without_the_room(
    settings: Settings, path: str, headers: dict[str, str]
) -> None:
    with_room = Client(raise_request_exception=False).get(path, headers=headers)
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "browser" not in name]
    without = Client(raise_request_exception=False).get(path, headers=headers)
    assert (with_room.status_code, with_room.content) == (without.status_code, without.content)
    changing = {"X-Request-ID", "Server-Timing"}
    assert {name: value for name, value in with_room.headers.items() if name not in changing} == {
        name: value for name, value in without.headers.items() if name not in changing
    }


@pytest.mark.parametrize(
    "path",
    ["/streaming/", "/download/", "/redirect/", "/brotli/", "/broken-gzip/", "/empty/", "/html/"],
)
def test_answer_that_is_no_json_to_read_stays_as_it_is(path: str) -> None:
    response = Client().get(path, headers=NAVIGATION)
    content = b"".join(response) if response.streaming else response.content
    assert b'<pre id="json"' not in content
    assert "no-store" not in response.headers.get("Cache-Control", "")


def test_nothing_is_shown_while_debug_is_off(settings: Settings) -> None:
    settings.DEBUG = False
    assert opened("/json/").content == BODY


def test_nothing_is_shown_to_an_address_that_is_not_internal() -> None:
    assert opened("/json/", REMOTE_ADDR="192.0.2.1").content == BODY


def test_page_holds_nothing_that_a_browser_runs() -> None:
    response = opened("/json/?q=</script><script>alert(1)</script>")
    page = response.content.decode()
    assert "<script" not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page
    assert "\u2028" not in page
    assert "\\u2028" in page
    assert "default-src 'self';" in response.headers["Content-Security-Policy"]


def test_address_in_a_value_is_a_link() -> None:
    assert '<a href="http://example.com/?a=1&amp;b=2" rel="noreferrer">' in opened("/json/").content.decode()


@pytest.mark.parametrize("maximum", [2, 3])
def test_page_says_that_the_budget_of_the_route_is_exceeded(maximum: int, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "budgets.json").write_text(json.dumps({"GET /counting/": {"max": maximum}}))
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"BUDGET_FILE": str(tmp_path / "budgets.json")}
    assert ('<dd id="query-budget">2, exceeded</dd>' in opened("/counting/").content.decode()) == (maximum == 2)


def test_numbers_are_those_of_the_observation(closed: list[Observation]) -> None:
    response = opened("/counting/")
    (observation,) = closed
    assert observation.query_count == 3
    assert (fact(response, "query-count"), fact(response, "repeated-count")) == ("3", "3")
    assert fact(response, "request-id") == observation.request_id == response.headers["X-Request-ID"]
    assert fact(response, "log-line").startswith(f"grep {observation.request_id} ")


def test_calls_to_other_services_are_told() -> None:
    assert fact(opened("/calling/"), "outgoing") == "2, 4.0 ms"


def test_page_without_an_observation_says_what_is_missing(settings: Settings) -> None:
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    assert b"the first middleware has to be ObservationMiddleware" in opened("/json/").content


def test_asgi_shows_the_same_page() -> None:
    response = async_to_sync(AsyncClient().get)("/asynchronous/", headers=NAVIGATION)
    assert is_page(response)
    assert b"asynchronous" in response.content


def test_headers_of_the_bytes_go_and_the_others_stay() -> None:
    response = opened("/headers/")
    assert (response.headers["Cache-Control"], response.headers["X-Other"]) == ("no-store", "kept")
    assert "ETag" not in response.headers
    assert {"Accept", "Sec-Fetch-Mode"} <= set(response.headers["Vary"].split(", "))
    assert response.headers["Content-Length"] == str(len(response.content))


def test_original_headers_are_listed_without_secrets() -> None:
    page = opened("/headers/").content.decode()
    assert "<dt>Cache-Control</dt><dd>max-age=60</dd>" in page
    assert "<dt>Content-Type</dt><dd>application/json</dd>" in page
    assert "<dt>X-Api-Token</dt><dd>[redacted]</dd>" in page


def test_compressed_answer_is_shown_plain() -> None:
    response = opened("/gzip/")
    assert "Content-Encoding" not in response.headers
    assert b"alert(1)" in response.content


@pytest.mark.parametrize("path", ["/large/", "/bomb/"])
def test_very_large_body_is_cut_and_says_so(path: str) -> None:
    page = opened(path).content.decode()
    assert "Only the first MiB is shown" in page
    shown = page.partition('<pre id="json" tabindex="0">')[2].partition("</pre>")[0]
    assert len(re.sub(r"<[^>]*>|\s", "", shown)) <= MAX_SHOWN_BYTES * len("&quot;")


def test_body_that_claims_to_be_json_is_shown_as_it_is() -> None:
    page = opened("/no-json/").content.decode()
    assert "The answer says that it is JSON, and is not" in page
    assert "&lt;b&gt;hello&lt;/b&gt;" in page
