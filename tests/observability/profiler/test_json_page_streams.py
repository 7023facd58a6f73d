"""The page of a streaming JSON response."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.http import HttpRequest, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from observability.core.observation import Observation
from observability.profiler import json_body
from observability.profiler.json_body import MAX_SHOWN_BYTES
from tests.observability.profiler.conftest import NAVIGATION_HEADERS, fact, json_of, navigate, notices_of
from tests.probe.models import Publisher

CHUNK = b'"' + b"x" * 65_536 + b'",'

# The actions of the bodies in a test, in order.
happened: list[str] = []


def stream(body: Iterator[bytes] | AsyncIterator[bytes]) -> StreamingHttpResponse:
    return StreamingHttpResponse(body, content_type="application/json")


def counting(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        try:
            for number in range(3):
                Publisher.objects.count()
                yield b"[1" if number == 0 else b",1"
            yield b"]"
        finally:
            happened.append("ended")

    return stream(body())


def endless(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        try:
            yield b"["
            while True:
                happened.append("made")
                yield CHUNK
        finally:
            Publisher.objects.count()
            happened.append("ended")

    return stream(body())


def failing(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        yield b"[1,"
        raise ZeroDivisionError

    return stream(body())


@transaction.non_atomic_requests
async def counting_async(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        try:
            for number in range(3):
                await Publisher.objects.acount()
                yield b"[1" if number == 0 else b",1"
            yield b"]"
        finally:
            happened.append("ended")

    return stream(body())


@transaction.non_atomic_requests
async def endless_async(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"["
            while True:
                happened.append("made")
                yield CHUNK
        finally:
            await Publisher.objects.acount()
            happened.append("ended")

    return stream(body())


@transaction.non_atomic_requests
async def waiting_async(request: HttpRequest, text: str = "") -> StreamingHttpResponse:
    """Send the text, if it is not empty, then wait forever."""

    async def body() -> AsyncIterator[bytes]:
        try:
            if text:
                yield text.encode()
            await asyncio.Event().wait()
        finally:
            happened.append("ended")

    return stream(body())


@transaction.non_atomic_requests
async def failing_async(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"[1,"
        raise TimeoutError

    return stream(body())


urlpatterns = [
    path("counting/", counting),
    path("endless/", endless),
    path("failing/", failing),
    path("counting-async/", counting_async),
    path("endless-async/", endless_async),
    path("waiting-async/", waiting_async),
    path("waiting-async/<str:text>/", waiting_async),
    path("failing-async/", failing_async),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__), pytest.mark.usefixtures("development")]


@pytest.fixture(autouse=True)
def _nothing_happened() -> None:
    happened.clear()


def navigate_async(address: str) -> Any:  # noqa: ANN401 - a response of the client
    return async_to_sync(AsyncClient().get)(address, headers=NAVIGATION_HEADERS)


@pytest.mark.parametrize(("address", "opens"), [("/counting/", navigate), ("/counting-async/", navigate_async)])
def test_page_of_a_stream_counts_the_queries_of_its_body(address: str, opens: Any) -> None:  # noqa: ANN401
    response = opens(address)
    assert json_of(response) == "[1,1,1]"
    assert notices_of(response) == ""
    assert fact(response, "query-count") == "3"
    assert happened == ["ended"]


@pytest.mark.parametrize(("address", "opens"), [("/counting/", navigate), ("/counting-async/", navigate_async)])
def test_request_of_a_stream_ends_once(closed: list[Observation], address: str, opens: Any) -> None:  # noqa: ANN401
    response = opens(address)
    response.close()
    assert len(closed) == 1
    assert closed[0].duration_ms is not None


@pytest.mark.parametrize(("address", "opens"), [("/endless/", navigate), ("/endless-async/", navigate_async)])
def test_stream_is_read_up_to_the_limit_and_closed_before_the_page_is_rendered(address: str, opens: Any) -> None:  # noqa: ANN401
    response = opens(address)
    assert "Only the first MiB of the body is shown." in notices_of(response)
    assert happened == ["made"] * (MAX_SHOWN_BYTES // len(CHUNK) + 1) + ["ended"]
    assert fact(response, "query-count") == "1"


@pytest.mark.parametrize(
    ("address", "shown", "notice"),
    [
        ("/waiting-async/[1/", "[1", "Only the part of the body from the first 0.1 seconds is shown."),
        ("/waiting-async/", "", "The body did not start within 0.1 seconds."),
    ],
)
def test_slow_stream_is_shown_up_to_the_time_limit(
    monkeypatch: pytest.MonkeyPatch, address: str, shown: str, notice: str
) -> None:
    monkeypatch.setattr(json_body, "MAX_WAIT_S", 0.1)
    response = navigate_async(address)
    assert json_of(response) == shown
    assert notice in notices_of(response)
    assert happened == ["ended"]


def test_failed_stream_repeats_its_chunks_and_its_exception() -> None:
    response: Any = Client().get("/failing/", headers=NAVIGATION_HEADERS)
    chunks = iter(response.streaming_content)
    assert next(chunks) == b"[1,"
    with pytest.raises(ZeroDivisionError):
        next(chunks)


def test_timeout_error_of_an_asynchronous_stream_is_raised_again() -> None:
    async def read() -> bytes:
        response: Any = await AsyncClient().get("/failing-async/", headers=NAVIGATION_HEADERS)
        chunks = aiter(response.streaming_content)
        first: bytes = await anext(chunks)
        with pytest.raises(TimeoutError):
            await anext(chunks)
        return first

    assert async_to_sync(read)() == b"[1,"
