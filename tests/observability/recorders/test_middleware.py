"""Requests under real servers: one observation and one access log line per request, with correct counts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from observability.core.http_attributes import HttpAttributes
from observability.core.measurements import to_dict
from observability.recorders.middleware import ObservationMiddleware, note_user, observe_request
from tests.server import Answer, Server, Servers, access_lines, wait_for

FIELDS = [
    "timestamp", "level", "logger", "event", "request_id", "trace_id", "span_id", "service.name",
    "http.request.method", "http.route", "url.path", "http.response.status_code", "duration_ms", "db.query_count",
    "db.duration_ms", "db.repeated_count", "db.transaction", "outgoing.count", "outgoing.duration_ms", "client.address",
    "user_agent.original", "user.id", "http.response.body.size",
]  # fmt: skip


@pytest.fixture(
    scope="module", params=["gunicorn", "uvicorn", pytest.param("uvicorn-synchronous", marks=pytest.mark.slow)]
)
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    return servers.get(request.param)


@pytest.mark.database
def test_access_log_line_has_all_keys_in_order(server: Server) -> None:
    answer = server.get("/ordinary/3/?token=1", User_Agent="tests")
    line = server.access_line(answer.headers["X-Request-ID"])
    assert list(line)[: len(FIELDS)] == FIELDS
    assert {key: line[key] for key in line if key not in ("timestamp", "trace_id", "span_id", "request_id")} == {
        "level": "info",
        "logger": "observability.access",
        "event": "request",
        "service.name": "probe",
        "http.request.method": "GET",
        "http.route": "/ordinary/<int:count>/",
        "url.path": "/ordinary/3/",
        "http.response.status_code": 200,
        "duration_ms": line["duration_ms"],
        "db.query_count": 3,
        "db.duration_ms": line["db.duration_ms"],
        "db.repeated_count": 3,
        "db.transaction": "committed",
        "outgoing.count": 0,
        "outgoing.duration_ms": 0.0,
        "client.address": "127.0.0.1",
        "user_agent.original": "tests",
        "user.id": None,
        "http.response.body.size": len(answer.body),
        "bound": 3,
        "requested": 3,
    }
    assert line["duration_ms"] > line["db.duration_ms"] > 0


@pytest.mark.parametrize("path", ["/ordinary/2/", "/async/2/", "/streaming/2/", "/streaming-async/2/"])
def test_each_log_line_of_a_request_has_its_ids(server: Server, path: str) -> None:
    request_id = server.get(path).headers["X-Request-ID"]
    access = server.access_line(request_id)
    lines = server.lines(request_id)
    # On a busy machine, any query may be logged as slow.
    loggers = {line["logger"] for line in lines} - {"observability.sql"}
    assert loggers == {"probe", "probe.standard", "observability.access"}
    assert {line["trace_id"] for line in lines} == {access["trace_id"]}
    assert {line["count"] for line in lines if line["logger"].startswith("probe")} <= {1, 2}


@pytest.mark.database
@pytest.mark.parametrize("path", ["/streaming/4/", "/streaming-async/4/"])
def test_queries_of_a_streaming_body_count_in_its_request(server: Server, path: str) -> None:
    answer = server.get(path)
    line = server.access_line(answer.headers["X-Request-ID"])
    assert answer.body == b"x" * 40
    assert (line["db.query_count"], line["requested"], line["http.response.body.size"]) == (4, 4, 40)


def test_file_response_is_complete_and_its_size_is_logged(server: Server) -> None:
    answer = server.get("/file/")
    line = server.access_line(answer.headers["X-Request-ID"])
    assert answer.body == b"x" * 5000
    assert line["http.response.body.size"] == 5000


@pytest.mark.parametrize(
    ("header", "size"), [("5", 5), (None, None), ("-5", None), ("five", None), ("٥", None), ("9" * 5_000, None)]
)
def test_valid_content_length_is_the_request_body_size(header: str | None, size: int | None) -> None:
    request = RequestFactory().post("/", data=b"12345", content_type="text/plain")
    del request.META["CONTENT_LENGTH"]
    request.META |= {} if header is None else {"CONTENT_LENGTH": header}
    assert to_dict(observe_request(request)).get("http.request.body.size") == size


def test_head_request_of_a_streaming_view_is_one_access_log_line(server: Server) -> None:
    answer = server.get("/streaming/2/", method="HEAD")
    line = server.access_line(answer.headers["X-Request-ID"])
    assert line["http.request.method"] == "HEAD"


@pytest.mark.parametrize(
    ("path", "headers", "error"),
    [
        ("/failing/", {}, "RuntimeError"),
        ("/failing-async/", {}, "RuntimeError"),
        ("/ordinary/1/", {"X_Fail": "1"}, "RuntimeError"),
    ],
)
def test_exception_is_logged_once_with_one_access_log_line(
    server: Server, path: str, headers: dict[str, str], error: str
) -> None:
    answer = server.get(path, **headers)
    line = server.access_line(answer.headers["X-Request-ID"])
    assert (answer.status, line["level"], line["error.type"]) == (500, "error", error)
    failures = [each for each in server.lines(line["request_id"]) if "exception.stacktrace" in each]
    assert [each["logger"] for each in failures] == ["django.request"]
    assert [each["span_id"] for each in failures] == [line["span_id"]]


def test_failure_is_in_errors_jsonl(server: Server) -> None:
    request_id = server.get("/failing/").headers["X-Request-ID"]
    server.access_line(request_id)
    # errors.jsonl is written after service.jsonl.
    lines = wait_for(
        lambda: server.lines(request_id, "errors.jsonl")[1:] and server.lines(request_id, "errors.jsonl"), "2"
    )
    assert sorted(line["logger"] for line in lines) == ["django.request", "observability.access"]


@pytest.mark.parametrize("path", ["/failing-body/", "/failing-body-async/"])
def test_exception_in_a_streaming_body_is_a_failed_request(server: Server, path: str) -> None:
    request_id = f"failing-body-{server.name}-{len(path)}"
    # Read to the end: a client that disconnects before the body fails is another case.
    server.hang_up(path, request_id=request_id, read_bytes=10_000)
    line = server.access_line(request_id)
    assert (line["level"], line["error.type"]) == ("error", "RuntimeError")
    wait_for(lambda: [each for each in server.lines(request_id) if "exception.stacktrace" in each], "the traceback")


def test_client_disconnect_during_a_body_is_one_access_log_line(server: Server) -> None:
    # Django reads a sync body under ASGI, and an async body under WSGI, to the end before it sends the first byte.
    path = "/endless/" if server.name == "gunicorn" else "/endless-async/"
    request_id = f"hang-up-{server.name}"
    server.hang_up(path, request_id=request_id, read_bytes=2000)
    line = server.access_line(request_id)
    assert 0 < line["http.response.body.size"] < 2_000_000


def test_client_disconnect_before_the_response_is_one_access_log_line(server: Server) -> None:
    path = "/sleeping/" if server.name == "gunicorn" else "/sleeping-async/"
    request_id = f"hang-up-early-{server.name}"
    server.hang_up(path, request_id=request_id)
    line = server.access_line(request_id)
    assert line["http.response.status_code"] == (200 if server.name == "gunicorn" else 499)


def test_error_handled_by_drf_is_a_warning_without_a_traceback(server: Server) -> None:
    answer = server.get("/not-found-by-api/")
    line = server.access_line(answer.headers["X-Request-ID"])
    assert (answer.status, line["level"], line["http.route"]) == (404, "warning", "/not-found-by-api/")
    request_lines = [each for each in server.lines(line["request_id"]) if each["logger"] == "django.request"]
    assert [each["level"] for each in request_lines] == ["warning"]
    assert "exception.type" not in request_lines[0]


def test_unknown_path_has_no_route(server: Server) -> None:
    line = server.access_line(server.get("/nowhere/").headers["X-Request-ID"])
    assert (line["http.route"], line["url.path"], line["http.response.status_code"]) == (None, "/nowhere/", 404)


@pytest.mark.database
@pytest.mark.parametrize("kind", ["ordinary", "async", "streaming", "streaming-async"])
def test_concurrent_requests_do_not_share_counts_or_context(server: Server, kind: str) -> None:
    def send_request(number: int) -> str:
        request_id = f"{kind}-{server.name}-{number:02}"
        answer = server.get(f"/{kind}/{number % 7}/", X_Request_ID=request_id)
        assert answer.headers["X-Request-ID"] == request_id
        return request_id

    with ThreadPoolExecutor(24) as pool:
        request_ids = list(pool.map(send_request, range(24)))
    for number, request_id in enumerate(request_ids):
        line = server.access_line(request_id)
        assert (line["db.query_count"], line["requested"]) == (number % 7, number % 7)
        others = [each for each in server.lines(request_id) if each["logger"] == "probe"]
        assert len(others) == (number % 7 if "streaming" in kind else 1)
        assert not [each for each in others if "bound" in each]


def test_python_warning_is_a_log_line_of_its_request(server: Server) -> None:
    request_id = server.get("/warning/").headers["X-Request-ID"]
    server.access_line(request_id)
    lines = [line for line in server.lines(request_id) if line["logger"] == "py.warnings"]
    assert ["the view warns" in line["event"] for line in lines] == [True]


def test_each_record_is_written_once_and_there_is_no_server_access_log(server: Server) -> None:
    request_id = server.get("/ordinary/1/").headers["X-Request-ID"]
    server.access_line(request_id)
    loggers = [line["logger"] for line in server.lines(request_id)]
    assert sorted(loggers) == ["observability.access", "probe", "probe.standard"]
    others = {line["logger"] for line in server.lines(None)}
    assert not others & {"gunicorn.access", "uvicorn.access"}


def test_traceparent_of_the_caller_is_continued(server: Server) -> None:
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    answer = server.get("/ordinary/1/", traceparent=f"00-{trace_id}-{span_id}-01")
    line = server.access_line(answer.headers["X-Request-ID"])
    assert line["trace_id"] == trace_id
    assert line["span_id"] != span_id


@pytest.mark.parametrize("inbound", ["short", "has space in it", "x" * 129, 'quote"s-and-more'])
def test_invalid_request_id_is_replaced(server: Server, inbound: str) -> None:
    request_id = server.get("/ordinary/0/", X_Request_ID=inbound).headers["X-Request-ID"]
    assert request_id != inbound
    assert server.access_line(request_id)["http.response.status_code"] == 200


def test_server_timing_has_the_query_count_of_the_access_log(server: Server) -> None:
    answer = server.get("/ordinary/3/")
    assert 'desc="3 queries"' in answer.headers["Server-Timing"]
    assert server.access_line(answer.headers["X-Request-ID"])["db.query_count"] == 3


@pytest.mark.database
def test_slow_query_is_logged_with_its_source_line(server: Server) -> None:
    request_id = server.get("/slow-query/").headers["X-Request-ID"]
    server.access_line(request_id)
    (line,) = server.lines(request_id, "sql.jsonl")
    assert (line["event"], line["logger"], line["code.file.path"]) == (
        "slow_query", "observability.sql", "tests/probe/views.py",
    )  # fmt: skip
    assert "i < %s" in line["db.query.text"]


def test_successful_health_checks_are_not_logged(server: Server) -> None:
    request_id = server.get("/livez").headers["X-Request-ID"]
    server.access_line(server.get("/ordinary/0/").headers["X-Request-ID"])
    assert access_lines(server.lines(request_id)) == []


@pytest.mark.database
def test_concurrent_reads_and_writes_do_not_fail_on_a_locked_database(server: Server) -> None:
    def send_request(number: int) -> Answer:
        return server.get(f"/read-then-write/{server.name}-{number}/")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send_request, range(48)))
    assert [answer.status for answer in answers] == [200] * 48


class FailingUser:
    """A user of a custom class whose primary key cannot be read."""

    is_authenticated = True

    @property
    def pk(self) -> int:
        raise LookupError


def test_user_with_a_broken_key_is_ignored() -> None:
    request, http = RequestFactory().get("/"), HttpAttributes("GET", "/")
    request.user = FailingUser()  # type: ignore[assignment]
    note_user(request, http)
    assert http.user_id is None


async def respond_async(_: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.mark.parametrize(("get_response", "is_async"), [(respond_async, True), (lambda _: HttpResponse(), False)])
def test_middleware_is_async_if_get_response_is(get_response: Callable[..., Any], is_async: bool) -> None:
    assert iscoroutinefunction(ObservationMiddleware(get_response)) is is_async
