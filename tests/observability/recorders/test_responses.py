"""Responses that a server does not read to the end, by Django's own handlers."""

import gc
import io
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import FileResponse, StreamingHttpResponse
from django.test import RequestFactory

from observability import current
from observability.core.observation import Observation
from observability.recorders.middleware import ObservationMiddleware

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.probe.urls")]


@pytest.fixture(autouse=True)
def connection_stays_open() -> Iterator[None]:
    """Let no request close the connection, and lose the test's transaction; Django's test client does the same."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def get() -> Callable[..., Any]:
    """Ask Django's WSGI handler as a server does, and return what it gives the server."""
    handler = WSGIHandler()

    def start_response(*_: object) -> Callable[[bytes], object]:
        return bytes

    def ask(path: str, **extra: object) -> Any:  # noqa: ANN401
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "wsgi.input": io.BytesIO(),
            "wsgi.url_scheme": "http",
            **extra,
        }
        return handler(environ, start_response)

    return ask


def test_body_that_is_never_iterated_ends_at_close(get: Callable[..., Any], closed: list[Observation]) -> None:
    response = get("/streaming/3/")
    assert closed == []
    response.close()
    assert [(each.query_count, each.is_closed) for each in closed] == [(0, True)]


def test_body_that_is_read_in_part_ends_at_close(get: Callable[..., Any], closed: list[Observation]) -> None:
    response = get("/streaming/3/")
    next(iter(response))
    response.close()
    (observation,) = closed
    assert observation.http is not None
    assert (observation.query_count, observation.http.response_body_size) == (1, 10)


def test_nothing_is_current_between_the_chunks_of_a_body(get: Callable[..., Any]) -> None:
    response = get("/streaming/3/")
    assert [current() for _ in response] == [None] * 3
    response.close()


def test_response_that_is_closed_twice_ends_once(get: Callable[..., Any], closed: list[Observation]) -> None:
    response = get("/ordinary/1/")
    response.close()
    response.close()
    assert len(closed) == 1


def test_answer_to_head_has_no_body(get: Callable[..., Any], closed: list[Observation]) -> None:
    get("/ordinary/1/", REQUEST_METHOD="HEAD").close()
    (observation,) = closed
    assert observation.http is not None
    assert observation.http.response_body_size == 0


def test_response_is_freed_when_it_was_closed_and_let_go(get: Callable[..., Any]) -> None:
    gc.disable()
    try:
        response = get("/ordinary/1/")
        response.close()
        freed = weakref.ref(response)
        del response
        assert freed() is None
    finally:
        gc.enable()


def test_response_may_be_closed_while_a_chunk_of_its_body_is_made(closed: list[Observation]) -> None:
    def body() -> Iterator[bytes]:
        response.close()
        yield b"x"

    response = StreamingHttpResponse(body())
    observed = ObservationMiddleware(lambda _: response)(RequestFactory().get("/"))
    assert isinstance(observed, StreamingHttpResponse)
    assert b"".join(observed.streaming_content) == b"x"  # type: ignore[arg-type]
    assert len(closed) == 1


def test_file_is_handed_to_the_server_as_it_is(get: Callable[..., Any], closed: list[Observation]) -> None:
    wrapped: list[Any] = []

    def file_wrapper(stream: Any, block_size: int) -> Any:  # noqa: ANN401
        wrapped.append(stream)
        return stream

    stream = get("/file/", **{"wsgi.file_wrapper": file_wrapper})
    assert wrapped == [stream]
    assert not isinstance(stream, FileResponse)
    stream.close()
    assert len(closed) == 1


def test_exception_that_leaves_the_application_ends_the_request(
    get: Callable[..., Any],
    closed: list[Observation],
    settings: Any,  # noqa: ANN401
) -> None:
    settings.DEBUG_PROPAGATE_EXCEPTIONS = True
    with pytest.raises(RuntimeError, match="the view failed"):
        get("/failing/")
    (observation,) = closed
    assert observation.http is not None
    assert (observation.http.status_code, observation.error_type) == (500, "RuntimeError")
    assert current() is None


def test_body_has_what_its_request_bound_and_lets_nothing_out(get: Callable[..., Any]) -> None:
    structlog.contextvars.clear_contextvars()
    response = get("/binding-body/")
    assert b"".join(response) == b"['body', 'view']"
    response.close()
    assert structlog.contextvars.get_contextvars() == {}
