"""SQL text: the fingerprint of a query, its normalized form, its summary in a few words, and its table."""

import re
from functools import lru_cache
from typing import NamedTuple

# Longer SQL is cut first: the rows of a bulk insert do not change what kind of query it is.
MAX_LENGTH = 4_000

_control = re.compile(
    r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|START TRANSACTION|SET TRANSACTION)\b", re.IGNORECASE
)
# https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/: those that an application is likely to send.
_implicit_commit = re.compile(
    r"\s*(ALTER|CREATE|DROP|RENAME|TRUNCATE|GRANT|REVOKE|LOCK TABLES|ANALYZE TABLE|OPTIMIZE TABLE)\b(?! TEMPORARY\b)",
    re.IGNORECASE,
)
_rules = (
    (re.compile(r"\bIN \((?!SELECT\b)[^()]*(?:\)|$)"), "IN (…)"),
    (re.compile(r"\bVALUES (?:\([^()]*(?:\)|$)(?:, ?)?)+"), "VALUES (…)"),
    (re.compile(r"\b(LIMIT|OFFSET) -?\d+"), r"\1 …"),
    (re.compile(r"\b(FROM|CURSOR) \"?_django_curs_\w+\"?"), r"\1 cursor"),
    (re.compile(r"\s+"), " "),
)


class ParsedSql(NamedTuple):
    """What the text of a query says about it.

    text: the SQL; its fingerprint if it has 4,000 characters or more.
    fingerprint: equal for queries that differ only in their values or in how many there are.
    is_transaction_control: it begins or ends a transaction or savepoint; on some databases Django sends these itself.
    commits_implicitly: MariaDB and MySQL commit the transaction before they execute it.
    """

    text: str
    fingerprint: str
    is_transaction_control: bool
    commits_implicitly: bool


def parse_sql(sql: str) -> ParsedSql:
    """Parse a query; only its first 4,000 characters if it is longer."""
    return _parse(sql if len(sql) <= MAX_LENGTH else sql[:MAX_LENGTH])


def fingerprint(sql: str) -> str:
    """Return the SQL with lists of values, rows, limits and generated names folded; at most 4,000 characters."""
    return parse_sql(sql).fingerprint


# One cached function for everything: the lookup has to hash the text.
@lru_cache(maxsize=1024)
def _parse(sql: str) -> ParsedSql:
    folded = sql
    for pattern, replacement in _rules:
        folded = pattern.sub(replacement, folded)
    folded = folded.strip()
    text = sql if len(sql) < MAX_LENGTH else folded
    return ParsedSql(text, folded, _control.match(sql) is not None, _implicit_commit.match(sql) is not None)


_quotes = re.compile(r'["`]')
_columns = re.compile(r"^(SELECT(?: DISTINCT)?) (?!COUNT\()(.*?) FROM ")
_one = re.compile(r"^(?:1|%s)(?: AS \w+)?$")
_join = re.compile(r"(?:LEFT OUTER|INNER) JOIN (\w+)(?: (?!ON\b)\w+)? ON \((?:[^()]|\([^()]*\))*\)")
_count = re.compile(r"(COUNT\([^()]*\))(?: AS \w+)?")
_clauses = (re.compile(r" (SET) .*?(?= WHERE |$)"), re.compile(r" (WHERE) .*$"))
_rest = re.compile(r" (?:GROUP BY|ORDER BY|LIMIT|OFFSET|FOR UPDATE|RETURNING|ON CONFLICT|ON DUPLICATE KEY)\b.*$")
_values = re.compile(r"^INSERT (?:OR IGNORE |IGNORE )?INTO (\w+) .*$")
_table = re.compile(r"\b(?:FROM|INTO|UPDATE) (?:\w+\.)?(\w+)")


@lru_cache(maxsize=1024)
def normalize(fingerprint: str) -> str:
    """Return the fingerprint without quotes and column list; `SELECT 1` is Django's `exists()`."""
    return _columns.sub(_folded, _quotes.sub("", fingerprint), count=1)


def _folded(match: re.Match[str]) -> str:
    return f"{match[1]} {'1' if _one.match(match[2]) else '…'} FROM "


@lru_cache(maxsize=1024)
def summarize(fingerprint: str) -> str:
    """Return the query in short: `SELECT … FROM shop_book JOIN shop_author WHERE …`: what it does to which tables."""
    text = _values.sub(r"INSERT INTO \1 …", normalize(fingerprint))
    for clause in _clauses:
        text = clause.sub(r" \1 …", text)
    return _count.sub(r"\1", _join.sub(r"JOIN \1", _rest.sub("", text)))


@lru_cache(maxsize=1024)
def find_table(fingerprint: str) -> str:
    """Return the table that a query is about, or "" if it names none."""
    match = _table.search(normalize(fingerprint))
    return match[1] if match else ""
