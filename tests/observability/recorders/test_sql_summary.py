"""The summary and the table of a query, and whether it is a framework query."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, OuterRef, QuerySet

from observability.budgets.query_collector import count_framework_queries, is_framework_query
from observability.recorders.sql import find_table, fingerprint, summarize
from tests.probe.models import Book, Loan


def fingerprint_of(queryset: QuerySet[Book]) -> str:
    return fingerprint(str(queryset.query))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT a, b FROM x", "SELECT … FROM x"),
        ('SELECT DISTINCT "x"."a" FROM "x" ORDER BY "x"."a" LIMIT 5', "SELECT DISTINCT … FROM x"),
        ("SELECT COUNT(*) AS `__count` FROM `x` WHERE `x`.`a` = %s", "SELECT COUNT(*) FROM x WHERE …"),
        ('SELECT %s AS "a" FROM "x" WHERE "x"."b" = %s LIMIT 1', "SELECT 1 FROM x WHERE …"),
        ("SELECT a FROM x WHERE b IN (SELECT c FROM y WHERE d = %s) AND e = %s", "SELECT … FROM x WHERE …"),
        ('INSERT INTO "x" ("a") VALUES (%s), (%s) RETURNING "x"."id"', "INSERT INTO x …"),
        ("INSERT OR IGNORE INTO x (a) VALUES (%s)", "INSERT INTO x …"),
        ("INSERT INTO x (a) VALUES (%s) ON DUPLICATE KEY UPDATE a = %s", "INSERT INTO x …"),
        ('UPDATE "x" SET "a" = %s WHERE "x"."id" = %s', "UPDATE x SET … WHERE …"),
        ("DELETE FROM x WHERE id IN (%s, %s)", "DELETE FROM x WHERE …"),
        (
            "SELECT a FROM x INNER JOIN y z ON (x.y_id = z.id) WHERE z.a = 1 FOR UPDATE",
            "SELECT … FROM x JOIN y WHERE …",
        ),
        ("PRAGMA foreign_keys", "PRAGMA foreign_keys"),
    ],
)
def test_summary_is_the_same_on_every_database(statement: str, expected: str) -> None:
    assert summarize(fingerprint(statement)) == expected


def test_summary_has_joins() -> None:
    assert summarize(fingerprint_of(Book.objects.with_author())).endswith("JOIN probe_author JOIN probe_publisher")


def test_table_of_a_query_with_a_subquery_is_the_outer_one() -> None:
    subquery = Loan.objects.filter(book=OuterRef("pk"))
    assert find_table(fingerprint_of(Book.objects.filter(Exists(subquery)))) == "probe_book"


def test_query_of_content_types_is_a_framework_query() -> None:
    assert is_framework_query(fingerprint(str(ContentType.objects.all().query)))
    assert not is_framework_query(fingerprint_of(Book.objects.all()))


def test_one_query_per_request_for_the_session_user_is_a_framework_query() -> None:
    user = get_user_model()._meta.db_table
    by_key = fingerprint(f'SELECT "{user}"."id" FROM "{user}" WHERE "{user}"."id" = %s LIMIT 21')
    by_name = fingerprint(f'SELECT "{user}"."id" FROM "{user}" WHERE "{user}"."username" = %s LIMIT 21')
    assert (count_framework_queries({by_key: 10}), count_framework_queries({by_name: 10})) == (1, 0)
