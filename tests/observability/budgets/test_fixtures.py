"""The fixtures of the plugin, used directly in this run of pytest."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from observability.budgets.markers import LimitError
from observability.budgets.routes import route_key
from observability.core.context import on_first_observation
from observability.core.http_attributes import HttpAttributes
from tests.probe.library import isbn, make_books
from tests.probe.models import Book, Publisher

pytestmark = pytest.mark.django_db

Constant = Callable[..., dict[int, Any]]
Budget = Callable[..., Any]


def test_collector_runs_the_callbacks_of_the_first_observation(
    django_query_collector: Callable[[], Any],
) -> None:
    done: list[int] = []
    on_first_observation(lambda: done.append(1))
    with django_query_collector():
        assert done == [1]


def query_loans_of_each_book() -> None:
    for book in Book.objects.all():
        book.loans.exists()


def test_growth_is_reported_with_its_rate_and_source_line(django_assert_constant_queries: Constant) -> None:
    with pytest.raises(pytest.fail.Exception) as failure:
        django_assert_constant_queries(make_books, query_loans_of_each_book)
    text = str(failure.value)
    assert "runs more queries for more rows" in text
    assert "3 queries with 2 rows, 4 with 3, 11 with 10; allowed: the same number" in text
    assert "2, 3, 10x  +1 per row" in text
    line = query_loans_of_each_book.__code__.co_firstlineno + 2
    assert f"line   tests/observability/budgets/test_fixtures.py:{line} query_loans_of_each_book" in text


@pytest.mark.parametrize(("rows_per_query", "rate"), [(1, "+1 per row"), (2, "+1 per 2 rows")])
def test_rate_may_be_less_than_one_per_row(
    rows_per_query: int, rate: str, django_assert_constant_queries: Constant
) -> None:
    def call() -> None:
        for _ in itertools.islice(Book.objects.all(), None, None, rows_per_query):
            Publisher.objects.count()

    with pytest.raises(pytest.fail.Exception, match=rate.replace("+", r"\+")):
        django_assert_constant_queries(make_books, call, scales=(2, 4, 10))


def test_growth_within_the_slope_is_allowed(django_assert_constant_queries: Constant) -> None:
    counts = django_assert_constant_queries(make_books, query_loans_of_each_book, scales=(2, 5), slope=1)
    assert {rows: collected.count for rows, collected in counts.items()} == {2: 3, 5: 6}


def test_equal_scales_are_an_error(django_assert_constant_queries: Constant) -> None:
    with pytest.raises(pytest.fail.Exception, match="two different numbers of rows"):
        django_assert_constant_queries(make_books, Book.objects.count, scales=(2, 2))


def test_changes_of_the_measured_call_are_rolled_back(client: Client, django_assert_constant_queries: Constant) -> None:
    made = itertools.count()

    def call() -> None:
        Book.objects.create(isbn=isbn(900))
        Publisher.objects.filter(name="Penguin").update(name=f"Renamed {next(made)}")

    django_assert_constant_queries(make_books, call)
    assert (Book.objects.count(), Publisher.objects.count()) == (0, 0)


def test_runs_with_different_queries_fail(django_assert_constant_queries: Constant) -> None:
    calls = itertools.count()

    def call() -> None:
        if next(calls) % 2:
            Book.objects.count()

    with pytest.raises(pytest.fail.Exception) as failure:
        django_assert_constant_queries(make_books, call)
    assert "the call ran different queries in two runs with the same 2 rows" in str(failure.value)
    assert "1x, then 0x" in str(failure.value)


def test_first_call_is_not_measured(django_assert_constant_queries: Constant) -> None:
    warm: list[int] = []

    def call() -> None:
        if not warm:
            warm.append(Book.objects.count())

    counts = django_assert_constant_queries(make_books, call)
    assert [collected.total for collected in counts.values()] == [0, 0, 0]


def test_failed_request_cannot_be_measured(django_assert_constant_queries: Constant) -> None:
    with pytest.raises(pytest.fail.Exception, match="GET /api/v1/books/ returned status 401 with 2 rows"):
        django_assert_constant_queries(make_books, lambda: APIClient().get("/api/v1/books/"))


def test_block_over_budget_fails_with_its_queries_and_source_lines(django_assert_query_budget: Budget) -> None:
    counts = [Book.objects.status_counts] * 3
    with pytest.raises(pytest.fail.Exception) as failure, django_assert_query_budget(max=1):
        [count() for count in counts]
    first, _, statement, place, *_ = str(failure.value).splitlines()
    assert first == "the block runs 3 queries, at most 1 allowed"
    # Django adds a clause for MariaDB, so that it does not sort.
    assert statement.removesuffix(" ORDER BY NULL") == "  3x  SELECT … FROM probe_book GROUP BY 1"
    assert place.strip().startswith("line   tests/probe/models.py:")


def test_block_with_fewer_queries_than_exact_fails(django_assert_query_budget: Budget) -> None:
    with (
        pytest.raises(pytest.fail.Exception, match="the block runs 1 query instead of 2"),
        django_assert_query_budget(exact=2),
    ):
        Book.objects.count()


def test_queries_of_other_databases_can_be_excluded(django_query_collector: Callable[[], Any]) -> None:
    with django_query_collector() as collected:
        Book.objects.count()
    assert [collected.in_databases(using).count for using in ("other", ["default"], "__all__")] == [0, 1, 1]


def test_unknown_database_is_an_error(django_assert_query_budget: Budget) -> None:
    with pytest.raises(LimitError, match="'othr'"), django_assert_query_budget(max=1, using="othr"):
        Book.objects.count()


def test_query_for_the_user_of_the_session_is_a_framework_query(
    client: Client, django_query_collector: Callable[[], Any]
) -> None:
    client.force_login(get_user_model().objects.create_user("reader"))
    with django_query_collector() as collected:
        assert client.get("/who/").content == b"reader"
    assert (collected.total, collected.framework, collected.count) == (2, 2, 0)
    assert collected.application_queries() == {}


def test_head_is_measured_as_get() -> None:
    keys = [route_key(HttpAttributes(method, "/books/1/", route="/books/<isbn>/")) for method in ("HEAD", "POST")]
    assert keys == ["GET /books/<isbn>/", "POST /books/<isbn>/"]


def test_queries_over_the_batch_size_are_counted(
    monkeypatch: pytest.MonkeyPatch, django_query_collector: Callable[[], Any]
) -> None:
    monkeypatch.setattr("observability.budgets.query_collector.MAX_UNCOUNTED", 3)
    with django_query_collector() as collected:
        for _ in range(7):
            Book.objects.count()
    assert collected.count == 7


def test_collector_counts_the_queries_of_its_block_only(django_query_collector: Callable[[], Any]) -> None:
    with django_query_collector() as outer:
        Book.objects.count()
        with django_query_collector() as inner, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    Book.objects.count()
    assert (outer.count, inner.count) == (2, 1)
