"""The fingerprint of a statement: equal for statements that differ only in how many or which values they carry."""

import re
from functools import lru_cache
from typing import NamedTuple

# A longer statement is cut first: the rows of a bulk insert are no part of what it is.
MAX_LENGTH = 4_000

_control = re.compile(
    r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|START TRANSACTION|SET TRANSACTION)\b", re.IGNORECASE
)
# https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/, those that an application may well send.
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
    """What is known of a statement by its text: that itself, one object however often the statement is made.

    `text` is the fingerprint where the statement has 4,000 characters or more: the rows of a bulk insert say nothing.
    """

    text: str
    fingerprint: str
    # It begins or ends a transaction or a savepoint; on some databases Django sends these itself.
    is_transaction_control: bool
    # MariaDB and MySQL commit the transaction before they execute it.
    commits_implicitly: bool


def parse_sql(sql: str) -> ParsedSql:
    """What is known of a statement; of its first 4,000 characters where it is longer."""
    return _known(sql if len(sql) <= MAX_LENGTH else sql[:MAX_LENGTH])


def fingerprint(sql: str) -> str:
    """The statement with its lists of values, rows, limits and generated names folded; at most 4,000 characters."""
    return parse_sql(sql).fingerprint


# All that is asked of each query is found in one look: the text has to be hashed for it.
@lru_cache(maxsize=1024)
def _known(sql: str) -> ParsedSql:
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
    """The fingerprint without the database's quotes and the list of columns; `SELECT 1` is Django's `exists()`."""
    return _columns.sub(_folded, _quotes.sub("", fingerprint), count=1)


def _folded(match: re.Match[str]) -> str:
    return f"{match[1]} {'1' if _one.match(match[2]) else '…'} FROM "


@lru_cache(maxsize=1024)
def summarize(fingerprint: str) -> str:
    """`SELECT … FROM shop_book JOIN shop_author WHERE …`: what it does to which tables, and no more."""
    text = _values.sub(r"INSERT INTO \1 …", normalize(fingerprint))
    for clause in _clauses:
        text = clause.sub(r" \1 …", text)
    return _count.sub(r"\1", _join.sub(r"JOIN \1", _rest.sub("", text)))


@lru_cache(maxsize=1024)
def find_table(fingerprint: str) -> str:
    """The table that a statement is about, or nothing where none is named."""
    match = _table.search(normalize(fingerprint))
    return match[1] if match else ""
