"""Framework queries: statements that Django and DRF run for a request and that no budget counts.

The statement alone decides, not the call stack. So the tests and production get the same number, and production gets
it at no cost.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache

from django.apps import apps
from django.contrib.auth import get_user_model

from observability.recorders.sql import find_table, normalize

# The framework reads and writes the tables of these apps and models for a request, whatever the application does.
FRAMEWORK_APPS = ("admin", "authtoken", "contenttypes", "sessions", "sites")
FRAMEWORK_MODELS = ("auth.Permission",)
# Django stores its migrations in a table that belongs to no app.
MIGRATIONS_TABLE = "django_migrations"

_select_by_key = re.compile(r"^SELECT … FROM (\w+) WHERE \1\.(\w+) = %s LIMIT …$")


def count_framework_queries(fingerprint_counts: Mapping[str, int]) -> int:
    """Count the framework's queries of one request, from each fingerprint and how often it ran.

    A session reads its user by primary key once in a request. An application that reads a user by key sends the same
    statement: only the first one counts as the framework's.
    """
    count = sum(number for fingerprint, number in fingerprint_counts.items() if is_framework_query(fingerprint))
    return count + any(is_session_user_query(fingerprint) for fingerprint in fingerprint_counts)


@lru_cache(maxsize=1024)
def is_framework_query(fingerprint: str) -> bool:
    """Whether a statement is about a table of content types, sessions, permissions, tokens, sites or migrations."""
    return find_table(fingerprint) in _framework_tables()


@lru_cache(maxsize=1024)
def is_session_user_query(fingerprint: str) -> bool:
    """Whether a statement may be the one that reads the user of a session."""
    match = _select_by_key.match(normalize(fingerprint))
    return match is not None and (match[1], match[2]) == _user_key()


@cache
def _framework_tables() -> frozenset[str]:
    metas = [model._meta for model in apps.get_models()]  # noqa: SLF001 - Django documents Model._meta
    found = [meta for meta in metas if meta.app_label in FRAMEWORK_APPS or meta.label in FRAMEWORK_MODELS]
    return frozenset({meta.db_table for meta in found} | {MIGRATIONS_TABLE})


@cache
def _user_key() -> tuple[str, str]:
    """Return the table of users and the column of its primary key; empty strings if there are no users."""
    if not apps.is_installed("django.contrib.auth"):
        return "", ""
    meta = get_user_model()._meta  # noqa: SLF001 - Django documents Model._meta
    return meta.db_table, str(meta.pk.column)
