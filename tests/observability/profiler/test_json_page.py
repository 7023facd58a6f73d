"""The page of a JSON response, without a browser and without the toolbar."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.urls import path
from pytest_django import Settings
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from observability.core.context import current
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.profiler.json_body import MAX_SHOWN_BYTES
from observability.profiler.visibility import CONTENT_SECURITY_POLICY
from tests.observability.profiler.conftest import NAVIGATION_HEADERS, fact, json_of, navigate, notices_of
from tests.probe.models import Publisher

BODY = '{"name":"</script><script>alert(1)</script>\u2028","next":"http://example.com/?a=1&b=2","count":1.50}'.encode()


def as_json(content: bytes = BODY, status: int = 200, **headers: str) -> Callable[[HttpRequest], HttpResponse]:
    media_type = headers.pop("content_type", "application/json")
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(content, media_type, status, headers=named)

    return view


class Missing(APIView):
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        raise NotFound


def failing(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"detail": "broken"}, status=500)


def sending(request: HttpRequest) -> HttpResponse:
    observation = current()
    assert observation is not None
    for _ in range(2):
        observation.add_step(Step("http_client", "GET a 200", "a", 2.0))
    return JsonResponse({})


def counting(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"known": [Publisher.objects.count() for _ in range(3)]})


@transaction.non_atomic_requests
async def asynchronous(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"asynchronous": True})


def encodings(request: HttpRequest) -> HttpResponse:
    """Respond with the encodings that the request accepts. The response is long enough to be compressed."""
    accepted = [request.META.get("HTTP_ACCEPT_ENCODING"), request.headers.get("Accept-Encoding")]
    return JsonResponse({"accepted": accepted, "padding": " " * 1_000})


def events(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([b"data: {}\n\n"], content_type="text/event-stream")


def lines(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([b"{}\n{}\n"], content_type="application/x-ndjson")


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(Path(__file__).open("rb"), content_type="application/json")


urlpatterns = [
    path("json/", as_json()),
    path("problem/", as_json(content_type="application/problem+json; charset=utf-8")),
    path("missing/", Missing.as_view()),
    path("failing/", failing),
    path("sending/", sending),
    path("counting/", counting),
    path("asynchronous/", asynchronous),
    path("vendor/", as_json(content_type="application/vnd.library.v1+json")),
    path("text/", as_json(content_type="Text/JSON; charset=utf-8")),
    path("created/", as_json(status=201, Location="/json/")),
    path("gzip/", as_json(gzip.compress(BODY), Content_Encoding="gzip", ETag='"1"')),
    path("deflate/", as_json(zlib.compress(BODY), Content_Encoding="deflate")),
    path("raw-deflate/", as_json(zlib.compress(BODY, wbits=-zlib.MAX_WBITS), Content_Encoding="deflate")),
    path("brotli/", as_json(b"?", Content_Encoding="br")),
    path("twice/", as_json(gzip.compress(zlib.compress(BODY)), Content_Encoding="deflate, gzip")),
    path("encodings/", encodings),
    path("bomb/", as_json(gzip.compress(b'"' + b"x" * 5_000_000 + b'"'), Content_Encoding="gzip")),
    path("not-gzip/", as_json(Content_Encoding="gzip")),
    path("torn-gzip/", as_json(gzip.compress(BODY) + b"???", Content_Encoding="gzip")),
    path("zstd/", as_json(b"?", Content_Encoding="zstd")),
    path("events/", events),
    path("lines/", lines),
    path("file/", file),
    path("download/", as_json(Content_Disposition='attachment; filename="a.json"')),
    path("redirect/", as_json(status=302, Location="/json/")),
    path("no-content/", as_json(b"", status=204)),
    path("unchanged/", as_json(b"", status=304)),
    path("part/", as_json(BODY[:5], status=206, Content_Range=f"bytes 0-4/{len(BODY)}")),
    path("large/", as_json(json.dumps(["\u00e9" * 10] * 100_000, ensure_ascii=False, separators=(",", ":")).encode())),
    path("one-line/", as_json(b'"' + b"x" * MAX_SHOWN_BYTES + b'"')),
    path("exact/", as_json(b'"' + b"x" * (MAX_SHOWN_BYTES - 2) + b'"')),
    path("deep/", as_json(b"[" * 100_000 + b"]" * 100_000)),
    path("tokens/", as_json(b"[" + b"1," * 500_000 + b"1]")),
    path("no-json/", as_json(b"<b>hello</b>")),
    path("nan/", as_json(b'{"mean": NaN}')),
    path("empty/", as_json(b"")),
    path("latin/", as_json('"café"'.encode("latin-1"), content_type="application/json; charset=iso-8859-1")),
    path("klingon/", as_json('"café"'.encode(), content_type="application/json; charset=klingon")),
    path("not-utf-8/", as_json(b'"caf\xe9"')),
    path("html/", as_json(b"<p>hello</p>", content_type="text/html")),
    path("headers/", as_json(ETag='"1"', Cache_Control="max-age=60", X_Api_Token="hunter2", X_Other="kept")),
    path("policy/", as_json(Content_Security_Policy="default-src *", Content_Security_Policy_Report_Only="img-src *")),
    path("inline/", as_json(Content_Disposition='inline; filename="a.json"')),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__), pytest.mark.usefixtures("development")]


def is_page(response: HttpResponseBase) -> bool:
    return (
        isinstance(response, HttpResponse)
        and response.headers["Content-Type"].startswith("text/html")
        and b'<pre id="json"' in response.content
    )


def answer_of(response: Any) -> tuple[int, bytes, dict[str, str]]:  # noqa: ANN401 - a response of the test client
    """Return status, body and headers, without the headers that are different for each request."""
    content = b"".join(response) if response.streaming else response.content
    changing = {"X-Request-ID", "Server-Timing"}
    headers = {name: value for name, value in response.headers.items() if name not in changing}
    return response.status_code, content, headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/json/", 200),
        ("/problem/", 200),
        ("/vendor/", 200),
        ("/text/", 200),
        ("/created/", 201),
        ("/missing/", 404),
        ("/failing/", 500),
    ],
)
def test_json_is_a_page_with_its_status_in_a_browser(path: str, status: int) -> None:
    response = navigate(path)
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
def test_program_gets_the_same_response_as_without_the_profiler(
    settings: Settings, path: str, headers: dict[str, str]
) -> None:
    with_profiler = answer_of(Client(raise_request_exception=False).get(path, headers=headers))
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "profiler" not in name]
    assert with_profiler == answer_of(Client(raise_request_exception=False).get(path, headers=headers))


@pytest.mark.parametrize(
    "path",
    [
        "/download/",
        "/events/",
        "/file/",
        "/html/",
        "/json/?raw",
        "/json/?a=1&raw=1",
        "/lines/",
        "/no-content/",
        "/part/",
        "/redirect/",
        "/unchanged/",
        "/brotli/",
        "/zstd/",
    ],
)
def test_other_responses_and_raw_responses_are_unchanged(settings: Settings, path: str) -> None:
    with_profiler = answer_of(Client().get(path, headers=NAVIGATION_HEADERS))
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "profiler" not in name]
    assert with_profiler == answer_of(Client().get(path, headers=NAVIGATION_HEADERS))


@pytest.mark.parametrize("path", ["/json/", "/gzip/", "/missing/", "/empty/"])
def test_head_gets_the_headers_of_the_json(settings: Settings, path: str) -> None:
    with_profiler = answer_of(Client().head(path, headers=NAVIGATION_HEADERS))
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "profiler" not in name]
    assert with_profiler == answer_of(Client().head(path, headers=NAVIGATION_HEADERS))


@pytest.fixture
def compressing(settings: Settings) -> None:
    """Compress the responses of the application."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.gzip.GZipMiddleware"]


ACCEPT_ENCODING = {"accept-encoding": "gzip, deflate, br, zstd"}


@pytest.mark.usefixtures("compressing")
def test_browser_request_of_a_developer_is_not_compressed() -> None:
    response = navigate("/encodings/", headers=NAVIGATION_HEADERS | ACCEPT_ENCODING)
    assert json_of(response).startswith('{"accepted":[null,null]')
    assert "Content-Encoding" not in response.headers
    assert "Accept-Encoding" in response.headers["Vary"].split(", ")


@pytest.mark.usefixtures("compressing")
@pytest.mark.parametrize(
    ("headers", "extra", "query"),
    [
        ({}, {}, ""),
        ({"sec-fetch-mode": "cors", "accept": "text/html"}, {}, ""),
        (NAVIGATION_HEADERS, {}, "?raw"),
        (NAVIGATION_HEADERS, {"REMOTE_ADDR": "192.0.2.1"}, ""),
    ],
)
def test_other_requests_are_compressed(headers: dict[str, str], extra: dict[str, Any], query: str) -> None:
    response: Any = Client().get(f"/encodings/{query}", headers=headers | ACCEPT_ENCODING, **extra)
    assert response.headers["Content-Encoding"] == "gzip"
    accepted = ACCEPT_ENCODING["accept-encoding"]
    assert json.loads(gzip.decompress(response.content))["accepted"] == [accepted, accepted]


def test_no_page_is_shown_if_debug_is_off(settings: Settings) -> None:
    settings.DEBUG = False
    assert navigate("/json/").content == BODY


def test_other_clients_get_json() -> None:
    assert navigate("/json/", REMOTE_ADDR="192.0.2.1").content == BODY


def test_page_has_no_inline_scripts_or_styles() -> None:
    response = navigate("/json/?q=</script><script>alert(1)</script>")
    page = response.content.decode()
    assert "<script" not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page
    assert "\u2028" not in page
    assert "\\u2028" in page
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("word", ["unsafe", "*", "http:", "https:", "nonce"])
def test_content_security_policy_allows_only_files_of_this_origin(word: str) -> None:
    assert word not in CONTENT_SECURITY_POLICY


def test_content_security_policy_of_the_response_is_replaced() -> None:
    policies = {
        name: value for name, value in navigate("/policy/").headers.items() if name.startswith("Content-Security")
    }
    assert policies == {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    assert navigate("/policy/?raw").headers["Content-Security-Policy"] == "default-src *"


@pytest.mark.parametrize(
    ("query", "address"),
    [("", "?raw"), ("?page=2", "?page=2&amp;raw"), ("?a=%22%3C%C3%A9&b=", "?a=%22%3C%C3%A9&amp;b=&amp;raw")],
)
def test_page_links_to_the_raw_response(query: str, address: str) -> None:
    assert f'<a href="{address}" id="raw">' in navigate(f"/json/{query}").content.decode()


def test_page_of_a_form_has_no_link_to_the_raw_response() -> None:
    response = Client().post("/json/", headers=NAVIGATION_HEADERS)
    assert is_page(response)
    assert b'id="raw"' not in response.content


def test_url_in_a_value_is_a_link() -> None:
    assert '<a href="http://example.com/?a=1&amp;b=2" rel="noreferrer">' in navigate("/json/").content.decode()


@pytest.mark.parametrize("maximum", [2, 3])
def test_page_says_that_the_budget_of_the_route_is_exceeded(maximum: int, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "budgets.json").write_text(json.dumps({"GET /counting/": {"max": maximum}}))
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"BUDGET_FILE": str(tmp_path / "budgets.json")}
    assert ('<dd id="query-budget">2, exceeded</dd>' in navigate("/counting/").content.decode()) == (maximum == 2)


def test_numbers_equal_those_of_the_observation(closed: list[Observation]) -> None:
    response = navigate("/counting/")
    (observation,) = closed
    assert observation.query_count == 3
    assert (fact(response, "query-count"), fact(response, "repeated-count")) == ("3", "3 times")
    assert fact(response, "request-id") == observation.request_id == response.headers["X-Request-ID"]
    assert fact(response, "log-line").startswith(f"grep {observation.request_id} ")


def test_outgoing_requests_are_counted() -> None:
    assert fact(navigate("/sending/"), "outgoing") == "2, 4.0 ms"


def test_page_without_an_observation_says_what_is_missing(settings: Settings) -> None:
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    assert b"add ObservationMiddleware as the first middleware" in navigate("/json/").content


def test_asgi_shows_the_same_page() -> None:
    response = async_to_sync(AsyncClient().get)("/asynchronous/", headers=NAVIGATION_HEADERS)
    assert is_page(response)
    assert b"asynchronous" in response.content


def test_only_headers_that_describe_the_json_are_removed() -> None:
    response = navigate("/headers/")
    assert (response.headers["Cache-Control"], response.headers["X-Other"]) == ("no-store", "kept")
    assert "ETag" not in response.headers
    assert {"Accept", "Sec-Fetch-Mode"} <= set(response.headers["Vary"].split(", "))
    assert response.headers["Content-Length"] == str(len(response.content))


def test_original_headers_are_listed_without_secrets() -> None:
    page = navigate("/headers/").content.decode()
    assert "<dt>Cache-Control</dt><dd>max-age=60</dd>" in page
    assert "<dt>Content-Type</dt><dd>application/json</dd>" in page
    assert "<dt>X-Api-Token</dt><dd>[redacted]</dd>" in page


def test_page_has_no_file_name_of_the_json() -> None:
    assert "Content-Disposition" not in navigate("/inline/").headers


@pytest.mark.parametrize("path", ["/gzip/", "/deflate/", "/raw-deflate/", "/twice/"])
def test_compressed_response_is_shown_decompressed(path: str) -> None:
    response = navigate(path)
    assert "Content-Encoding" not in response.headers
    assert json_of(response) == json_of(navigate("/json/"))
    assert notices_of(response) == ""


@pytest.mark.parametrize("path", ["/not-gzip/", "/torn-gzip/"])
def test_body_that_does_not_match_its_encoding_is_shown_up_to_the_error(path: str) -> None:
    response = navigate(path)
    assert "The body does not match Content-Encoding (gzip: Error -3" in notices_of(response)
    assert "Only the first MiB" not in notices_of(response)
    assert json_of(response) == json_of(navigate("/json/"))


@pytest.mark.parametrize("path", ["/large/", "/bomb/", "/one-line/"])
def test_very_large_body_is_cut_with_a_notice(path: str) -> None:
    response = navigate(path)
    assert 'Only the first MiB of the body is shown. <a href="?raw">' in notices_of(response)
    assert MAX_SHOWN_BYTES - 2 * 1_000 <= len(json_of(response).encode()) <= MAX_SHOWN_BYTES


def test_body_of_exactly_the_limit_is_complete() -> None:
    response = navigate("/exact/")
    assert notices_of(response) == ""
    assert len(json_of(response)) == MAX_SHOWN_BYTES


@pytest.mark.parametrize("path", ["/deep/", "/tokens/"])
def test_very_many_tokens_are_shown_without_a_notice(path: str) -> None:
    response = navigate(path)
    assert json_of(response).encode() == Client().get(path).content
    assert notices_of(response) == ""


def test_empty_body_has_a_notice() -> None:
    response = navigate("/empty/")
    assert notices_of(response) == "The response has no body."
    assert b"<pre" not in response.content
    assert fact(response, "request-id") == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("path", "notice"),
    [("/latin/", ""), ("/klingon/", "unknown charset “klingon”"), ("/not-utf-8/", "not valid utf-8")],
)
def test_body_is_read_in_its_charset_and_problems_are_notices(path: str, notice: str) -> None:
    response = navigate(path)
    assert json_of(response) in ('"café"', '"caf\ufffd"')
    assert notice in notices_of(response)
    assert bool(notice) == bool(notices_of(response))


@pytest.mark.parametrize(("path", "shown"), [("/no-json/", "<b>hello</b>"), ("/nan/", '{"mean":NaN}')])
def test_invalid_json_is_shown_unchanged_with_a_notice(path: str, shown: str) -> None:
    response = navigate(path)
    assert "Content-Type says JSON, but the body is not valid JSON" in notices_of(response)
    assert json_of(response) == shown
