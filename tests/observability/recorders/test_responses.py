"""The end of a response under Django's WSGI handler, also of a response that is not read to its end."""

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
def keep_connection_open() -> Iterator[None]:
    """Keep the connection open after a request, or the test loses its transaction (as in Django's test client)."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def get() -> Callable[..., Any]:
    """Send a request to Django's WSGI handler as a server does, and return the response."""
    handler = WSGIHandler()

    def start_response(*_: object) -> Callable[[bytes], object]:
        return bytes

    def send(path: str, **extra: object) -> Any:  # noqa: ANN401
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

    return send


def test_close_ends_the_observation_of_an_unread_body(get: Callable[..., Any], closed: list[Observation]) -> None:
    response = get("/streaming/3/")
    assert closed == []
    response.close()
    assert [(each.query_count, each.is_closed) for each in closed] == [(0, True)]


def test_close_ends_the_observation_of_a_partly_read_body(get: Callable[..., Any], closed: list[Observation]) -> None:
    response = get("/streaming/3/")
    next(iter(response))
    response.close()
    (observation,) = closed
    assert observation.http is not None
    assert (observation.query_count, observation.http.response_body_size) == (1, 10)


def test_no_observation_is_current_between_the_chunks_of_a_body(get: Callable[..., Any]) -> None:
    response = get("/streaming/3/")
    assert [current() for _ in response] == [None] * 3
    response.close()


def test_second_close_of_a_response_is_ignored(get: Callable[..., Any], closed: list[Observation]) -> None:
    response = get("/ordinary/1/")
    response.close()
    response.close()
    assert len(closed) == 1


def test_response_to_head_has_body_size_zero(get: Callable[..., Any], closed: list[Observation]) -> None:
    get("/ordinary/1/", REQUEST_METHOD="HEAD").close()
    (observation,) = closed
    assert observation.http is not None
    assert observation.http.response_body_size == 0


def test_closed_response_is_freed_without_garbage_collection(get: Callable[..., Any]) -> None:
    gc.disable()
    try:
        response = get("/ordinary/1/")
        response.close()
        freed = weakref.ref(response)
        del response
        assert freed() is None
    finally:
        gc.enable()


def test_response_may_be_closed_while_its_body_produces_a_chunk(closed: list[Observation]) -> None:
    def body() -> Iterator[bytes]:
        response.close()
        yield b"x"

    response = StreamingHttpResponse(body())
    observed = ObservationMiddleware(lambda _: response)(RequestFactory().get("/"))
    assert isinstance(observed, StreamingHttpResponse)
    assert b"".join(observed.streaming_content) == b"x"  # type: ignore[arg-type]
    assert len(closed) == 1


def test_file_response_is_not_wrapped(get: Callable[..., Any], closed: list[Observation]) -> None:
    wrapped: list[Any] = []

    def file_wrapper(stream: Any, block_size: int) -> Any:  # noqa: ANN401
        wrapped.append(stream)
        return stream

    stream = get("/file/", **{"wsgi.file_wrapper": file_wrapper})
    assert wrapped == [stream]
    assert not isinstance(stream, FileResponse)
    stream.close()
    assert len(closed) == 1


def test_exception_raised_to_the_server_ends_the_request(
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


def test_context_variables_of_a_request_are_visible_in_its_body_only(get: Callable[..., Any]) -> None:
    structlog.contextvars.clear_contextvars()
    response = get("/binding-body/")
    assert b"".join(response) == b"['body', 'view']"
    response.close()
    assert structlog.contextvars.get_contextvars() == {}
