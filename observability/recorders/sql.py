"""SQL text: the fingerprint of a query, its normalized SQL, its summary in a few words, and its table."""

import re
from functools import lru_cache
from typing import NamedTuple

# Longer SQL is cut before it is parsed: the many rows of a bulk insert do not change its fingerprint.
MAX_LENGTH = 4_000

_control = re.compile(
    r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|START TRANSACTION|SET TRANSACTION)\b", re.IGNORECASE
)
# Statements of https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/ that an application may send.
_implicit_commit = re.compile(
    r"\s*(ALTER|CREATE|DROP|RENAME|TRUNCATE|GRANT|REVOKE|LOCK TABLES|ANALYZE TABLE|OPTIMIZE TABLE)\b(?! TEMPORARY\b)",
    re.IGNORECASE,
)
# A literal becomes a placeholder. Quoted names, comments and the escape character of Django's LIKE stay.
_kept = r"""(?i:\bESCAPE\s+'(?:.|\\\\)')|--[^\n]*|/\*.*?(?:\*/|$)"""
_dollar_literal = r"""(?<![\w$])\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?(?:\$(?P=tag)\$|$)"""
_string_prefix = r"(?:(?<![\w$])(?i:[NBX]|U&|_\w+[ ]?))?"
_standard_strings = re.compile(
    rf"""({_kept}|"(?:[^"]|"")*(?:"|$)|`[^`]*(?:`|$))|(?<![\w$])[Ee]'(?:[^'\\]|''|\\.)*(?:'|$)
    |{_string_prefix}'(?:[^']|'')*(?:'|$)|{_dollar_literal}""",
    re.DOTALL | re.VERBOSE,
)
# In MariaDB and MySQL, text in double quotes is a literal too, and a backslash escapes.
_mysql_strings = re.compile(
    rf"""({_kept}|`[^`]*(?:`|$))|{_string_prefix}(?:'(?:[^'\\]|''|\\.)*(?:'|$)|"(?:[^"\\]|""|\\.)*(?:"|$))""",
    re.DOTALL | re.VERBOSE,
)
_number = r"[-+]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?![\w.])"
_compared_number = re.compile(rf"([=<>]\s*|\b(?:BETWEEN|AND|THEN|ELSE|LIKE)\s+){_number}", re.IGNORECASE)
_list_with_numbers = re.compile(r"\b(?:IN|VALUES)\s*\([^()]*\d[^()]*(?:\)(?:,\s*\([^()]*\))*|$)", re.IGNORECASE)
_number_in_list = re.compile(rf"(?<=[(,\s]){_number}")
_rules = (
    (re.compile(r"\bIN \((?!SELECT\b)[^()]*(?:\)|$)"), "IN (…)"),
    (re.compile(r"\bVALUES (?:\([^()]*(?:\)|$)(?:, ?)?)+"), "VALUES (…)"),
    (re.compile(r"\b(LIMIT|OFFSET) -?\d+"), r"\1 …"),
    (re.compile(r"\b(FROM|CURSOR) \"?_django_curs_\w+\"?"), r"\1 cursor"),
    (re.compile(r"\s+"), " "),
)


class ParsedSql(NamedTuple):
    """A query and the facts that its SQL text shows.

    text: the SQL, with placeholders instead of literals; if it has 4,000 characters or more, its fingerprint.
    fingerprint: the same for queries that differ only in their values or in the number of values.
    is_transaction_control: it begins or ends a transaction or savepoint. On some databases Django sends such SQL.
    commits_implicitly: MariaDB and MySQL commit the open transaction before they execute it.
    """

    text: str
    fingerprint: str
    is_transaction_control: bool
    commits_implicitly: bool


def parse_sql(sql: str, *, vendor: str = "") -> ParsedSql:
    """Parse the first 4,000 characters of a query. `vendor` is that of Django; MySQL has other literals."""
    return _parse(sql if len(sql) <= MAX_LENGTH else sql[:MAX_LENGTH], vendor == "mysql")


def fingerprint(sql: str) -> str:
    """Return the SQL with `…` instead of lists of values, rows and limits; at most 4,000 characters."""
    return parse_sql(sql).fingerprint


# One cached function for all results: each cache lookup has to hash the whole text.
@lru_cache(maxsize=1024)
def _parse(sql: str, is_mysql: bool) -> ParsedSql:  # noqa: FBT001 - a cached function
    safe = _replace_literals(sql, is_mysql=is_mysql)
    folded = safe
    for pattern, replacement in _rules:
        folded = pattern.sub(replacement, folded)
    folded = folded.strip()
    text = safe if len(sql) < MAX_LENGTH else folded
    return ParsedSql(text, folded, _control.match(sql) is not None, _implicit_commit.match(sql) is not None)


def _replace_literals(sql: str, *, is_mysql: bool) -> str:
    """Return the SQL with `%s` instead of strings, and of numbers that are compared, assigned or in a list."""
    if "'" in sql or "$" in sql or (is_mysql and '"' in sql):
        strings = _mysql_strings if is_mysql else _standard_strings
        sql = strings.sub(lambda match: match[1] or "%s", sql)
    sql = _compared_number.sub(r"\1%s", sql)
    return _list_with_numbers.sub(lambda match: _number_in_list.sub("%s", match[0]), sql)


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
    """Return the fingerprint without quotes and with `…` instead of columns; `SELECT 1` stays (Django's `exists()`)."""
    return _columns.sub(_fold_columns, _quotes.sub("", fingerprint), count=1)


def _fold_columns(match: re.Match[str]) -> str:
    return f"{match[1]} {'1' if _one.match(match[2]) else '…'} FROM "


@lru_cache(maxsize=1024)
def summarize(fingerprint: str) -> str:
    """Return a summary with the verb and the tables, such as `SELECT … FROM shop_book JOIN shop_author WHERE …`."""
    text = _values.sub(r"INSERT INTO \1 …", normalize(fingerprint))
    for clause in _clauses:
        text = clause.sub(r" \1 …", text)
    return _count.sub(r"\1", _join.sub(r"JOIN \1", _rest.sub("", text)))


@lru_cache(maxsize=1024)
def find_table(fingerprint: str) -> str:
    """Return the main table of a query: the first one after FROM, INTO or UPDATE; "" if there is none."""
    match = _table.search(normalize(fingerprint))
    return match[1] if match else ""
