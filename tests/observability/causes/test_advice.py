"""What is advised for a query that runs once for each row, and the queryset that it is about."""

import pytest
from rest_framework.generics import ListAPIView

from observability.causes.advice import advice
from observability.causes.cause import Cause, Field
from observability.causes.declaration import queryset_owner
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


def field(source: str, kind: str) -> Field:
    return Field(f"shop.Books.{source}", source, kind, "shop.Books")


@pytest.mark.parametrize(
    ("statement", "cause", "expected"),
    [
        (BY_KEY, Cause(relation="author"), 'select_related("author") on the queryset'),
        (
            BY_KEY,
            Cause(field=field("author.publisher.name", "value"), relation="publisher"),
            'select_related("author__publisher") on the queryset',
        ),
        (
            BY_KEY,
            Cause(field=field("author.name", "value"), relation="publisher"),
            'select_related("publisher") on the queryset',
        ),
        (ALL, Cause(field=field("author.books", "many")), 'prefetch_related("author__books") on the queryset'),
        (ALL, Cause(field=field("loans", "method")), "annotate(…) or prefetch_related(…) on the queryset"),
        (BY_KEY, Cause(), "select_related(…) for a foreign key"),
        (ALL, Cause(), "prefetch_related(…) on the queryset, or one statement for all rows"),
        (ALL, Cause(is_raw=True), "one statement before the loop"),
        ('INSERT INTO "a" ("b") VALUES (…)', Cause(), "bulk_create(…)"),
        ('UPDATE "a" SET "b" = %s WHERE "a"."id" = %s', Cause(), "one update(…)"),
        ('DELETE FROM "a" WHERE "a"."id" = %s', Cause(), "one filter(…).delete()"),
        ('SELECT COUNT(*) AS "__count" FROM "a"', Cause(), "annotate(…=Count(…))"),
        ('SELECT 1 AS "a" FROM "a" WHERE "a"."id" = %s LIMIT …', Cause(), "annotate(…=Exists(…))"),
    ],
)
def test_advice_follows_from_the_statement_and_from_what_asked_for_it(
    statement: str, cause: Cause, expected: str
) -> None:
    assert advice(statement, cause).startswith(expected)


def test_queryset_is_that_of_the_attribute_or_of_the_method_of_a_view_of_the_project() -> None:
    by_method = queryset_owner(f"{__name__}.Books.list")
    by_attribute = queryset_owner("tests.probe.api.BookViewSet.list")
    assert by_method is not None
    assert by_attribute is not None
    line = Books.get_queryset.__code__.co_firstlineno
    assert by_method == ("Books", f"tests/observability/causes/test_advice.py:{line}")
    assert by_attribute.place.startswith("tests/probe/api.py:")
    assert queryset_owner(f"{__name__}.WithoutQueryset.get") is None
