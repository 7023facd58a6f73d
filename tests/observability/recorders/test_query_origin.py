"""What caused a query: lines, fields, relations; in views of every kind."""

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
    """A client of the API that is logged in."""
    client = APIClient()
    token = Token.objects.create(user=get_user_model().objects.create_user("reader"))
    client.credentials(HTTP_AUTHORIZATION=f"Token {token.key}")
    return client


def causes(recording: Any, text: str) -> list[QueryOrigin]:  # noqa: ANN401
    return [query.origin for query in recording.queries if text in query.summary]


def test_method_of_a_serializer_is_named_with_the_lines_behind_it(
    client: APIClient, django_query_collector: QueryCollector
) -> None:
    make_loan(make_books(1)[0])
    with django_query_collector() as recording:
        client.get(f"/api/v1/books/{isbn()}/")
    (cause,) = causes(recording, "FROM probe_loan")
    assert str(cause.field) == "tests.probe.serializers.BookDetailSerializer.latest_loan"
    assert [site.function for site in cause.source_lines] == [
        "LoanQuerySet.newest_of",
        "BookDetailSerializer.get_latest_loan",
    ]
    assert cause.view == "tests.probe.api.BookViewSet.retrieve"


def test_field_that_validates_is_named(client: APIClient, django_query_collector: QueryCollector) -> None:
    model = make_books(1)[0].author_id
    with django_query_collector() as recording:
        client.post("/api/v1/books/", {"isbn": isbn(2), "author": model})
    (unique,) = causes(recording, "SELECT 1 FROM probe_book")
    (related,) = causes(recording, "FROM probe_author")
    named = [str(unique.field), str(related.field)]
    assert named == [f"tests.probe.serializers.BookSerializer.{name}" for name in ("isbn", "author")]


def test_relation_that_is_followed_is_named(django_query_collector: QueryCollector) -> None:
    make_books(1)
    book = Book.objects.get()
    with django_query_collector() as recording:
        assert book.author is not None
    (cause,) = causes(recording, "FROM probe_author")
    assert (cause.relation, cause.is_raw) == ("author", False)


@pytest.mark.urls("tests.probe.urls")
@pytest.mark.parametrize("path", ["/async/2/", "/ordinary/2/"])
def test_line_of_a_view_is_found_under_asgi(path: str, django_query_collector: QueryCollector) -> None:
    async def ask() -> None:
        await AsyncClient().get(path)

    with django_query_collector() as recording:
        # What the view binds stays there: asgiref hands it back to its caller.
        contextvars.copy_context().run(async_to_sync(ask))
    assert {cause.source_lines[0].path for cause in causes(recording, "")} == {"tests/probe/views.py"}


async def iterated() -> None:
    [book async for book in Book.objects.all()]


async def gathered() -> None:
    await asyncio.gather(Book.objects.acount(), asyncio.sleep(0))


@pytest.mark.parametrize("ask", [iterated, gathered])
def test_line_that_awaits_a_query_is_found(
    ask: Callable[[], Awaitable[None]], django_query_collector: QueryCollector
) -> None:
    async def awaiting_positions() -> None:
        await ask()

    with django_query_collector() as recording:
        async_to_sync(awaiting_positions)()
    (cause,) = causes(recording, "FROM probe_book")
    assert cause.is_raw is False
    # A coroutine that was gathered is a task of its own: nothing of the project is on its stack.
    assert any("iterated" in site.function for site in cause.source_lines) == (ask is iterated)


def test_thread_knows_who_asked_and_the_coroutine_forgets_it_after_that() -> None:
    async def ask() -> tuple[int, int]:
        inside = await sync_to_async(awaiting_positions)()
        return len(inside), len(awaiting_positions())

    in_the_thread, afterwards = async_to_sync(ask)()
    assert in_the_thread > 0
    assert afterwards == 0
