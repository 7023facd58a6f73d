"""The fingerprint of a statement: equal for statements that differ only in how many or which values they carry."""

import re
from functools import lru_cache

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


def is_transaction_control(sql: str) -> bool:
    """Whether a statement begins or ends a transaction or a savepoint; on some databases Django sends these itself."""
    return _control.match(sql) is not None


def commits_implicitly(sql: str) -> bool:
    """Whether MariaDB and MySQL commit the transaction before they execute a statement."""
    return _implicit_commit.match(sql) is not None


def fingerprint(sql: str) -> str:
    """The statement with its lists of values, rows, limits and generated names folded; at most 4,000 characters."""
    return _fold(sql if len(sql) <= MAX_LENGTH else sql[:MAX_LENGTH])


@lru_cache(maxsize=1024)
def _fold(sql: str) -> str:
    for pattern, replacement in _rules:
        sql = pattern.sub(replacement, sql)
    return sql.strip()
