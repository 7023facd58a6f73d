"""Hints for a query that runs once per row, and the queryset that the hint names."""

import pytest
from rest_framework.generics import ListAPIView

from observability.recorders.query_hints import find_hint, find_queryset_owner
from observability.recorders.query_origin import QueryOrigin, SerializerField
from tests.probe.models import Book, BookQuerySet

SELECT_BY_KEY = 'SELECT "a"."name" FROM "a" WHERE "a"."id" = %s LIMIT …'
SELECT_MANY = 'SELECT "a"."name" FROM "a" WHERE "a"."b_id" = %s AND "a"."c" = %s'


class BooksView(ListAPIView[Book]):
    """A view with the method `get_queryset`."""

    def get_queryset(self) -> BookQuerySet:
        queryset = Book.objects.all()
        return queryset.with_author()


class ViewWithoutQueryset(ListAPIView[Book]):
    """A view without a queryset of the project; only DRF's base class declares one."""


def field(source: str, kind: str) -> SerializerField:
    return SerializerField(f"shop.BooksView.{source}", source, kind, "shop.BooksView")


@pytest.mark.parametrize(
    ("statement", "origin", "expected"),
    [
        (SELECT_BY_KEY, QueryOrigin(relation="author"), 'select_related("author") on the queryset'),
        (
            SELECT_BY_KEY,
            QueryOrigin(field=field("author.publisher.name", "value"), relation="publisher"),
            'select_related("author__publisher") on the queryset',
        ),
        (
            SELECT_BY_KEY,
            QueryOrigin(field=field("author.name", "value"), relation="publisher"),
            'select_related("publisher") on the queryset',
        ),
        (
            SELECT_MANY,
            QueryOrigin(field=field("author.books", "many")),
            'prefetch_related("author__books") on the queryset',
        ),
        (
            SELECT_MANY,
            QueryOrigin(field=field("loans", "method")),
            "annotate(…) or prefetch_related(…) on the queryset",
        ),
        (SELECT_BY_KEY, QueryOrigin(), "select_related(…) for a foreign key"),
        (SELECT_MANY, QueryOrigin(), "prefetch_related(…) on the queryset, or one query for all rows"),
        (SELECT_MANY, QueryOrigin(is_raw=True), "one query before the loop"),
        ('INSERT INTO "a" ("b") VALUES (…)', QueryOrigin(), "bulk_create(…)"),
        ('UPDATE "a" SET "b" = %s WHERE "a"."id" = %s', QueryOrigin(), "one update(…)"),
        ('DELETE FROM "a" WHERE "a"."id" = %s', QueryOrigin(), "one filter(…).delete()"),
        ('SELECT COUNT(*) AS "__count" FROM "a"', QueryOrigin(), "annotate(…=Count(…))"),
        ('SELECT 1 AS "a" FROM "a" WHERE "a"."id" = %s LIMIT …', QueryOrigin(), "annotate(…=Exists(…))"),
    ],
)
def test_hint_depends_on_the_query_and_its_origin(statement: str, origin: QueryOrigin, expected: str) -> None:
    assert find_hint(statement, origin).startswith(expected)


def test_queryset_owner_is_the_project_view_that_declares_it() -> None:
    by_method = find_queryset_owner(f"{__name__}.BooksView.list")
    by_attribute = find_queryset_owner("tests.probe.api.BookViewSet.list")
    assert by_method is not None
    assert by_attribute is not None
    line = BooksView.get_queryset.__code__.co_firstlineno
    assert by_method == ("BooksView", f"tests/observability/recorders/test_query_hints.py:{line}")
    assert by_attribute.place.startswith("tests/probe/api.py:")
    assert find_queryset_owner(f"{__name__}.ViewWithoutQueryset.get") is None
