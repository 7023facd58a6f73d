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


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = %s"),
        ("SELECT a FROM t WHERE b = 'it''s x' AND c='y'", "SELECT a FROM t WHERE b = %s AND c=%s"),
        ("SELECT a FROM t WHERE b = E'it\\'s x' AND c = 'y'", "SELECT a FROM t WHERE b = %s AND c = %s"),
        ("SELECT a FROM t WHERE b = 'C:\\' AND c = 'y'", "SELECT a FROM t WHERE b = %s AND c = %s"),
        (
            "SELECT a FROM t WHERE b LIKE %s ESCAPE '\\' AND c = 'y'",
            "SELECT a FROM t WHERE b LIKE %s ESCAPE '\\' AND c = %s",
        ),
        ("SELECT a FROM t WHERE pin = 1234 AND x >= -1.5e3", "SELECT a FROM t WHERE pin = %s AND x >= %s"),
        ("SELECT a FROM t WHERE b BETWEEN 1 AND 5", "SELECT a FROM t WHERE b BETWEEN %s AND %s"),
        ("SELECT a FROM t WHERE b IN (1, 'x', -3)", "SELECT a FROM t WHERE b IN (%s, %s, %s)"),
        ("INSERT INTO t (a, b2) VALUES (1, 'x'), (22, 'y')", "INSERT INTO t (a, b2) VALUES (%s, %s), (%s, %s)"),
        ("UPDATE t SET a = 5, b = X'00ff' WHERE id = 0x1F", "UPDATE t SET a = %s, b = %s WHERE id = %s"),
        ("ALTER ROLE app PASSWORD 'x'", "ALTER ROLE app PASSWORD %s"),
        ("ALTER ROLE app PASSWORD $$x'y$$", "ALTER ROLE app PASSWORD %s"),
        ("SELECT $tag$x $$ y$tag$, $1", "SELECT %s, $1"),
        ("SELECT a FROM t WHERE b = 'not closed", "SELECT a FROM t WHERE b = %s"),
        ('SELECT 1 AS "a" FROM "it\'s" LIMIT 1 -- it\'s', 'SELECT 1 AS "a" FROM "it\'s" LIMIT 1 -- it\'s'),
        ("SELECT a FROM t WHERE b = %s /* it's */", "SELECT a FROM t WHERE b = %s /* it's */"),
        ("SELECT CAST(a AS numeric(10, 2)), t2.b3 FROM t2", "SELECT CAST(a AS numeric(10, 2)), t2.b3 FROM t2"),
        ("CREATE TABLE t (a varchar(20))", "CREATE TABLE t (a varchar(20))"),
    ],
)
def test_literals_become_placeholders(sql: str, text: str) -> None:
    assert parse_sql(sql).text == text


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ('SELECT `a` FROM t WHERE b = "x"', "SELECT `a` FROM t WHERE b = %s"),
        ("SELECT a FROM t WHERE b = 'it\\'s x' AND c = 'y'", "SELECT a FROM t WHERE b = %s AND c = %s"),
        ("SELECT a FROM `it's` WHERE b = _utf8mb4'x'", "SELECT a FROM `it's` WHERE b = %s"),
    ],
)
def test_literals_of_mysql_become_placeholders(sql: str, text: str) -> None:
    assert parse_sql(sql, vendor="mysql").text == text


def test_queries_that_differ_in_their_literals_have_one_fingerprint() -> None:
    assert fingerprint("SELECT a FROM t WHERE b = 'x' AND c = 1") == fingerprint(
        "SELECT a FROM t WHERE b = 'y' AND c = 2"
    )


@pytest.mark.parametrize("unit", ["'", "$a$", "$", "E'", '"', "--", "/*", "= 1", "IN (1", "VALUES (1), (", "N'x", "1 "])
def test_literals_are_found_in_bounded_time(unit: str) -> None:
    """A pattern that backtracks would run for a very long time here."""
    assert len(parse_sql(unit * MAX_LENGTH, vendor="mysql").text) <= MAX_LENGTH * 4
    assert len(parse_sql(unit * MAX_LENGTH).text) <= MAX_LENGTH * 4
