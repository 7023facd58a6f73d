"""What is advised for a query that runs once for each row, and the queryset that it is about."""

import pytest
from rest_framework.generics import ListAPIView

from observability.recorders.query_hints import find_hint, find_queryset_owner
from observability.recorders.query_origin import QueryOrigin, SerializerField
from tests.probe.models import Book, BookQuerySet

BY_KEY = 'SELECT "a"."name" FROM "a" WHERE "a"."id" = %s LIMIT …'
ALL = 'SELECT "a"."name" FROM "a" WHERE "a"."b_id" = %s AND "a"."c" = %s'


class Books(ListAPIView[Book]):
    """A view that makes its queryset for each request."""

    def get_queryset(self) -> BookQuerySet:
        queryset = Book.objects.all()
        return queryset.with_author()


class WithoutQueryset(ListAPIView[Book]):
    """A view whose queryset is that of its base class, which is not the project's."""


def field(source: str, kind: str) -> SerializerField:
    return SerializerField(f"shop.Books.{source}", source, kind, "shop.Books")


@pytest.mark.parametrize(
    ("statement", "cause", "expected"),
    [
        (BY_KEY, QueryOrigin(relation="author"), 'select_related("author") on the queryset'),
        (
            BY_KEY,
            QueryOrigin(field=field("author.publisher.name", "value"), relation="publisher"),
            'select_related("author__publisher") on the queryset',
        ),
        (
            BY_KEY,
            QueryOrigin(field=field("author.name", "value"), relation="publisher"),
            'select_related("publisher") on the queryset',
        ),
        (ALL, QueryOrigin(field=field("author.books", "many")), 'prefetch_related("author__books") on the queryset'),
        (ALL, QueryOrigin(field=field("loans", "method")), "annotate(…) or prefetch_related(…) on the queryset"),
        (BY_KEY, QueryOrigin(), "select_related(…) for a foreign key"),
        (ALL, QueryOrigin(), "prefetch_related(…) on the queryset, or one statement for all rows"),
        (ALL, QueryOrigin(is_raw=True), "one statement before the loop"),
        ('INSERT INTO "a" ("b") VALUES (…)', QueryOrigin(), "bulk_create(…)"),
        ('UPDATE "a" SET "b" = %s WHERE "a"."id" = %s', QueryOrigin(), "one update(…)"),
        ('DELETE FROM "a" WHERE "a"."id" = %s', QueryOrigin(), "one filter(…).delete()"),
        ('SELECT COUNT(*) AS "__count" FROM "a"', QueryOrigin(), "annotate(…=Count(…))"),
        ('SELECT 1 AS "a" FROM "a" WHERE "a"."id" = %s LIMIT …', QueryOrigin(), "annotate(…=Exists(…))"),
    ],
)
def test_advice_follows_from_the_statement_and_from_what_asked_for_it(
    statement: str, cause: QueryOrigin, expected: str
) -> None:
    assert find_hint(statement, cause).startswith(expected)


def test_queryset_is_that_of_the_attribute_or_of_the_method_of_a_view_of_the_project() -> None:
    by_method = find_queryset_owner(f"{__name__}.Books.list")
    by_attribute = find_queryset_owner("tests.probe.api.BookViewSet.list")
    assert by_method is not None
    assert by_attribute is not None
    line = Books.get_queryset.__code__.co_firstlineno
    assert by_method == ("Books", f"tests/observability/recorders/test_query_hints.py:{line}")
    assert by_attribute.place.startswith("tests/probe/api.py:")
    assert find_queryset_owner(f"{__name__}.WithoutQueryset.get") is None
