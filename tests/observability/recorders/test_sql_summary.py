"""A statement in few words, and whose it is."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, OuterRef, QuerySet

from observability.budgets.query_collector import count_framework_queries, is_framework_query
from observability.recorders.sql import find_table, fingerprint, summarize
from tests.probe.models import Book, Loan


def text_of(queryset: QuerySet[Book]) -> str:
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
def test_statement_reads_the_same_on_every_database(statement: str, expected: str) -> None:
    assert summarize(fingerprint(statement)) == expected


def test_dropped_join_is_seen() -> None:
    assert summarize(text_of(Book.objects.with_author())).endswith("JOIN probe_author JOIN probe_publisher")


def test_table_is_that_of_the_outer_query() -> None:
    subquery = Loan.objects.filter(book=OuterRef("pk"))
    assert find_table(text_of(Book.objects.filter(Exists(subquery)))) == "probe_book"


def test_statement_about_content_types_is_the_framework_s() -> None:
    assert is_framework_query(fingerprint(str(ContentType.objects.all().query)))
    assert not is_framework_query(text_of(Book.objects.all()))


def test_user_of_a_session_is_the_framework_s_once_in_a_request() -> None:
    user = get_user_model()._meta.db_table
    by_key = fingerprint(f'SELECT "{user}"."id" FROM "{user}" WHERE "{user}"."id" = %s LIMIT 21')
    by_name = fingerprint(f'SELECT "{user}"."id" FROM "{user}" WHERE "{user}"."username" = %s LIMIT 21')
    assert (count_framework_queries({by_key: 10}), count_framework_queries({by_name: 10})) == (1, 0)
