"""A statement in few words, the same on every database."""

import re
from functools import lru_cache

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
def plain(fingerprint: str) -> str:
    """The fingerprint without the database's quotes and the list of columns; `SELECT 1` is Django's `exists()`."""
    return _columns.sub(_folded, _quotes.sub("", fingerprint), count=1)


def _folded(match: re.Match[str]) -> str:
    return f"{match[1]} {'1' if _one.match(match[2]) else '…'} FROM "


@lru_cache(maxsize=1024)
def short(fingerprint: str) -> str:
    """`SELECT … FROM shop_book JOIN shop_author WHERE …`: what it does to which tables, and no more."""
    text = _values.sub(r"INSERT INTO \1 …", plain(fingerprint))
    for clause in _clauses:
        text = clause.sub(r" \1 …", text)
    return _count.sub(r"\1", _join.sub(r"JOIN \1", _rest.sub("", text)))


@lru_cache(maxsize=1024)
def table(fingerprint: str) -> str:
    """The table that a statement is about, or nothing where none is named."""
    match = _table.search(plain(fingerprint))
    return match[1] if match else ""
