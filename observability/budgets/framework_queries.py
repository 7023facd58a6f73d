"""Whose a statement is: the application's, which its budget is for, or the framework's.

It is told by the statement alone, so that the tests and production come to the same number, and production at no cost.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache

from django.apps import apps
from django.contrib.auth import get_user_model

from observability.recorders.sql import find_table, normalize

# Whose tables are the framework's: it reads and writes them for a request, whatever the application does.
FRAMEWORK_APPS = ("admin", "authtoken", "contenttypes", "sessions", "sites")
FRAMEWORK_MODELS = ("auth.Permission",)
# Django keeps its migrations in a table of no app.
MIGRATIONS_TABLE = "django_migrations"

_by_key = re.compile(r"^SELECT … FROM (\w+) WHERE \1\.(\w+) = %s LIMIT …$")


def framework_count(statements: Mapping[str, int]) -> int:
    """How many of the statements (fingerprint and how often it ran) of one request are the framework's.

    The user of a session is read by its key, once a request. An application that reads users by key looks the same:
    what comes after the first is the application's.
    """
    count = sum(number for fingerprint, number in statements.items() if is_framework(fingerprint))
    return count + any(is_login(fingerprint) for fingerprint in statements)


@lru_cache(maxsize=1024)
def is_framework(fingerprint: str) -> bool:
    """Whether a statement is about a table of content types, sessions, permissions, tokens, sites or migrations."""
    return find_table(fingerprint) in _framework_tables()


@lru_cache(maxsize=1024)
def is_login(fingerprint: str) -> bool:
    """Whether a statement may read the user of a session."""
    match = _by_key.match(normalize(fingerprint))
    return match is not None and (match[1], match[2]) == _user_key()


@cache
def _framework_tables() -> frozenset[str]:
    metas = [model._meta for model in apps.get_models()]  # noqa: SLF001 - Django's way to ask
    found = [meta for meta in metas if meta.app_label in FRAMEWORK_APPS or meta.label in FRAMEWORK_MODELS]
    return frozenset({meta.db_table for meta in found} | {MIGRATIONS_TABLE})


@cache
def _user_key() -> tuple[str, str]:
    """The table of users, and the column of its key; of neither where nobody logs in."""
    if not apps.is_installed("django.contrib.auth"):
        return "", ""
    meta = get_user_model()._meta  # noqa: SLF001 - Django's way to ask
    return meta.db_table, str(meta.pk.column)
