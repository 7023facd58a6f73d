"""Fingerprints, transaction control and implicit commits."""

import pytest

from observability.recorders.sql import MAX_LENGTH, fingerprint, parse_sql


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('SELECT "a" FROM "t" WHERE "id" IN (%s)', 'SELECT "a" FROM "t" WHERE "id" IN (%s, %s, %s)'),
        ('INSERT INTO "t" ("a", "b") VALUES (%s, %s)', 'INSERT INTO "t" ("a", "b") VALUES (%s, %s), (%s, %s)'),
        ('SELECT "a" FROM "t" LIMIT 21', 'SELECT "a" FROM "t" LIMIT 3'),
        ('SELECT "a" FROM "t" LIMIT 2 OFFSET 4', 'SELECT "a" FROM "t" LIMIT 3 OFFSET 5'),
        ('FETCH FORWARD 10 FROM "_django_curs_1_sync_1"', 'FETCH FORWARD 10 FROM "_django_curs_2_sync_9"'),
        ("SELECT  1\n", "SELECT 1"),
    ],
)
def test_fingerprint_does_not_depend_on_values(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('SELECT "a" FROM "t" WHERE "id" IN (%s)', 'SELECT "a" FROM "t" WHERE "no" IN (%s)'),
        ('SELECT 1 WHERE "id" IN (SELECT "x" FROM "u")', 'SELECT 1 WHERE "id" IN (SELECT "y" FROM "u")'),
        ('INSERT INTO "t" ("a") VALUES (%s)', 'INSERT INTO "t" ("a") VALUES (%s) ON CONFLICT DO NOTHING'),
    ],
)
def test_fingerprint_depends_on_the_rest_of_the_sql(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_large_insert_has_a_short_fingerprint() -> None:
    """A pattern that backtracks would run for a very long time here."""
    rows = ", ".join(["(%s, %s, COALESCE(%s, 1))"] * 20_000)
    assert len(fingerprint(f'INSERT INTO "t" ("a", "b", "c") VALUES {rows}')) <= MAX_LENGTH


def test_text_is_cached_and_long_text_is_replaced_by_its_fingerprint() -> None:
    texts = [f"SELECT {number}" for number in ("1", "1")]
    assert parse_sql(texts[0]).text is parse_sql(texts[1]).text
    assert parse_sql(f"SELECT 1 WHERE 1 IN ({'%s, ' * MAX_LENGTH}%s)").text == "SELECT 1 WHERE 1 IN (…)"


@pytest.mark.parametrize(
    "sql",
    ["BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", 'SAVEPOINT "s"', 'RELEASE SAVEPOINT "s"', "ROLLBACK TO s"],
)  # fmt: skip
def test_transaction_control_is_recognized(sql: str) -> None:
    assert parse_sql(sql).is_transaction_control


def test_keyword_of_transaction_control_inside_a_query_is_ignored() -> None:
    assert not parse_sql('SELECT "begin" FROM "savepoint"').is_transaction_control


@pytest.mark.parametrize(
    ("sql", "commits"),
    [
        ("CREATE TABLE t (a INTEGER)", True),
        ("  alter table t ADD b INTEGER", True),
        ("TRUNCATE t", True),
        ("CREATE TEMPORARY TABLE t (a INTEGER)", False),
        ("INSERT INTO t VALUES ('DROP TABLE')", False),
    ],
)
def test_implicit_commit_is_recognized(sql: str, *, commits: bool) -> None:
    assert parse_sql(sql).commits_implicitly is commits
