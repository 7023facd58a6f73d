"""The origin of a query: source lines, serializer fields and relations, in sync and async views."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.test import AsyncClient
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from observability.recorders.query_origin import QueryOrigin, awaiting_positions
from tests.probe.library import isbn, make_books, make_loan
from tests.probe.models import Book

pytestmark = pytest.mark.django_db

QueryCollector = Callable[[], Any]


@pytest.fixture
def client() -> APIClient:
    """An API client with the token of a user."""
    client = APIClient()
    token = Token.objects.create(user=get_user_model().objects.create_user("reader"))
    client.credentials(HTTP_AUTHORIZATION=f"Token {token.key}")
    return client


def query_origins(recording: Any, text: str) -> list[QueryOrigin]:  # noqa: ANN401
    return [query.origin for query in recording.queries if text in query.summary]


def test_origin_has_the_serializer_method_and_its_source_lines(
    client: APIClient, django_query_collector: QueryCollector
) -> None:
    make_loan(make_books(1)[0])
    with django_query_collector() as recording:
        client.get(f"/api/v1/books/{isbn()}/")
    (origin,) = query_origins(recording, "FROM probe_loan")
    assert str(origin.field) == "tests.probe.serializers.BookDetailSerializer.latest_loan"
    assert [line.function for line in origin.source_lines] == [
        "LoanQuerySet.newest_of",
        "BookDetailSerializer.get_latest_loan",
    ]
    assert origin.view == "tests.probe.api.BookViewSet.retrieve"


def test_origin_has_the_field_that_validates(client: APIClient, django_query_collector: QueryCollector) -> None:
    model = make_books(1)[0].author_id
    with django_query_collector() as recording:
        client.post("/api/v1/books/", {"isbn": isbn(2), "author": model})
    (unique,) = query_origins(recording, "SELECT 1 FROM probe_book")
    (related,) = query_origins(recording, "FROM probe_author")
    named = [str(unique.field), str(related.field)]
    assert named == [f"tests.probe.serializers.BookSerializer.{name}" for name in ("isbn", "author")]


def test_origin_has_the_relation_that_was_followed(django_query_collector: QueryCollector) -> None:
    make_books(1)
    book = Book.objects.get()
    with django_query_collector() as recording:
        assert book.author is not None
    (origin,) = query_origins(recording, "FROM probe_author")
    assert (origin.relation, origin.is_raw) == ("author", False)


@pytest.mark.urls("tests.probe.urls")
@pytest.mark.parametrize("path", ["/async/2/", "/ordinary/2/"])
def test_origin_has_the_line_of_a_view_under_asgi(path: str, django_query_collector: QueryCollector) -> None:
    async def send_request() -> None:
        await AsyncClient().get(path)

    with django_query_collector() as recording:
        # Run in a copy of the context, because asgiref copies the variables that the view binds to its caller.
        contextvars.copy_context().run(async_to_sync(send_request))
    assert {origin.source_lines[0].path for origin in query_origins(recording, "")} == {"tests/probe/views.py"}


async def iterated() -> None:
    [book async for book in Book.objects.all()]


async def gathered() -> None:
    await asyncio.gather(Book.objects.acount(), asyncio.sleep(0))


@pytest.mark.parametrize("query", [iterated, gathered])
def test_origin_has_the_line_that_awaits_a_query(
    query: Callable[[], Awaitable[None]], django_query_collector: QueryCollector
) -> None:
    async def await_query() -> None:
        await query()

    with django_query_collector() as recording:
        async_to_sync(await_query)()
    (origin,) = query_origins(recording, "FROM probe_book")
    assert origin.is_raw is False
    # `gather` runs the coroutine in a separate task, and the stack of the task has no project code.
    assert any("iterated" in line.function for line in origin.source_lines) == (query is iterated)


def test_thread_gets_the_positions_of_its_caller_only_during_the_call() -> None:
    async def count_positions() -> tuple[int, int]:
        inside = await sync_to_async(awaiting_positions)()
        return len(inside), len(awaiting_positions())

    in_thread, afterwards = async_to_sync(count_positions)()
    assert in_thread > 0
    assert afterwards == 0
