"""The query collector: the queries of a block of a test or of one request, with their origins and counts.

Framework queries are statements that Django and DRF run for a request. Budgets do not count them. Only the SQL decides
whether a query is a framework query, not the call stack. So tests and production get the same number, and production
does not have to inspect the stack.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from threading import Lock
from typing import NamedTuple

from django.apps import apps
from django.contrib.auth import get_user_model

from observability.budgets.routes import find_request, route_key
from observability.core.context import activate, current, open_observation
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.recorders.query_origin import UNKNOWN_ORIGIN, QueryOrigin, find_query_origin
from observability.recorders.sql import find_table, normalize, summarize

ALL_DATABASES = "__all__"
DEFAULT_DATABASE = "default"

MAX_UNCOUNTED = 1_000

# The framework itself reads and writes the tables of these apps and models during a request.
FRAMEWORK_APPS = ("admin", "authtoken", "contenttypes", "sessions", "sites")
FRAMEWORK_MODELS = ("auth.Permission",)
# Django's table of applied migrations does not belong to an app.
MIGRATIONS_TABLE = "django_migrations"

_select_by_key = re.compile(r"^SELECT … FROM (\w+) WHERE \1\.(\w+) = %s LIMIT …$")


class QueryCollector:
    """The reader that the pytest plugin adds for all tests.

    It finds the origin of each query once, for all blocks that collect. While `is_measuring` is true, it calls
    `on_request_measured` at the end of each request, with the queries of the request. Thread-safe.
    """

    def __init__(self, on_request_measured: Callable[[Observation, "CollectedQueries"], None]) -> None:
        self.on_request_measured = on_request_measured
        self.is_measuring = False
        self._blocks: list[CollectedQueries] = []

    @contextmanager
    def collect(self) -> Iterator["CollectedQueries"]:
        """Collect all queries until the block ends, of any thread, inside and outside of requests."""
        collected = CollectedQueries()
        observation = open_observation("span", "django_query_collector", parent=current())
        self._blocks.append(collected)
        try:
            # The observation is never closed, because collecting queries must not write a log line.
            with activate(observation):
                yield collected
        finally:
            self._blocks = [each for each in self._blocks if each is not collected]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not measure requests during the block."""
        was_measuring, self.is_measuring = self.is_measuring, False
        try:
            yield
        finally:
            self.is_measuring = was_measuring

    def step(self, observation: Observation, step: Step) -> None:
        if step.kind not in ("query", "commit", "rollback"):
            return
        request = find_request(observation) if self.is_measuring else None
        if request is None and not self._blocks:
            return
        origin = find_query_origin() if step.kind == "query" else UNKNOWN_ORIGIN
        for collected in self._blocks:
            collected.add(step, origin)
        if request is not None:
            self._queries_of(request).add(step, origin)

    def closed(self, observation: Observation) -> None:
        http = observation.http
        if http is None:
            return
        for collected in self._blocks:
            key = route_key(http)
            collected.routes += [] if key in collected.routes else [key]
            if (http.status_code or 500) >= 400:  # noqa: PLR2004 - an error of the client or the server
                collected.failed_requests.append(f"{key} returned status {http.status_code}")
        if self.is_measuring and http.route is not None:
            self.on_request_measured(observation, self._queries_of(observation))

    def _queries_of(self, request: Observation) -> "CollectedQueries":
        """Return the queries of a request. They are stored in the extensions of its observation."""
        collected: CollectedQueries | None = request.extensions.get(self)
        if collected is None:
            collected = request.extensions[self] = CollectedQueries()
        return collected


class Query(NamedTuple):
    """A query with its fingerprint, database and origin. Equal queries are counted together."""

    fingerprint: str
    database: str
    origin: QueryOrigin

    @property
    def summary(self) -> str:
        return summarize(self.fingerprint) + self.database_label

    @property
    def database_label(self) -> str:
        """The database in parentheses, such as ` (database other)`; "" for the default database."""
        return "" if self.database == DEFAULT_DATABASE else f" (database {self.database})"


class CollectedQueries:
    """The queries of one block or request, of any thread, and how many transactions ended.

    `count` is the number of application queries, which budgets limit. `total` also includes the framework queries, like
    the log key `db.query_count`.
    """

    def __init__(self, queries: Counter[Query] | None = None) -> None:
        self._queries: Counter[Query] = Counter() if queries is None else queries
        self._uncounted: deque[Query] = deque()
        self._lock = Lock()
        self.transactions: Counter[str] = Counter()
        self.routes: list[str] = []
        self.failed_requests: list[str] = []

    def add(self, step: Step, origin: QueryOrigin) -> None:
        if step.kind == "query":
            self._uncounted.append(Query(step.fingerprint, step.source, origin))
            if len(self._uncounted) >= MAX_UNCOUNTED:
                self._count()
        else:
            self.transactions[step.kind] += 1

    @property
    def queries(self) -> Counter[Query]:
        """How often each query ran."""
        self._count()
        return self._queries

    def _count(self) -> None:
        """Count the queries that were added since the last call. Counting in batches is faster than one by one."""
        with self._lock:
            while self._uncounted:
                self._queries[self._uncounted.popleft()] += 1

    @property
    def statements(self) -> Counter[str]:
        """How often each fingerprint ran."""
        counts: Counter[str] = Counter()
        for query, number in self.queries.items():
            counts[query.fingerprint] += number
        return counts

    @property
    def total(self) -> int:
        return self.queries.total()

    @property
    def framework(self) -> int:
        return count_framework_queries(self.statements)

    @property
    def count(self) -> int:
        return self.total - self.framework

    @property
    def framework_tables(self) -> list[str]:
        """The tables of the framework queries."""
        return sorted({find_table(fingerprint) for fingerprint in self.statements if is_framework_query(fingerprint)})

    def application_queries(self) -> Counter[Query]:
        """Return the application queries (`count` in total), and how often each ran."""
        counts = Counter(
            {query: number for query, number in self.queries.items() if not is_framework_query(query.fingerprint)}
        )
        session_user = next((query for query in counts if is_session_user_query(query.fingerprint)), None)
        if session_user is not None:
            counts[session_user] -= 1
        return +counts

    def summary_counts(self) -> Counter[str]:
        """Return the number of application queries by summary."""
        counts: Counter[str] = Counter()
        for query, number in self.application_queries().items():
            counts[query.summary] += number
        return counts

    def only(self, is_included: Callable[[Query], bool]) -> "CollectedQueries":
        """Return a copy with the queries for which `is_included` is true."""
        selected = CollectedQueries(
            Counter({query: number for query, number in self.queries.items() if is_included(query)})
        )
        selected.transactions, selected.routes = self.transactions, self.routes
        return selected

    def without(self, texts: Sequence[str]) -> "CollectedQueries":
        """Return a copy without the queries whose summary contains one of the texts."""
        return self.only(lambda query: not any(text in query.summary for text in texts))

    def in_databases(self, using: str | Iterable[str]) -> "CollectedQueries":
        """Return the queries of one database, of several databases, or of all."""
        if using == ALL_DATABASES:
            return self
        names = {using} if isinstance(using, str) else set(using)
        return self.only(lambda query: query.database in names)


def count_framework_queries(fingerprint_counts: Mapping[str, int]) -> int:
    """Return the number of framework queries of one request, given how often each fingerprint ran.

    A session reads its user by primary key once per request. If the application reads a user by primary key, the SQL is
    the same. So only one of these queries counts as a framework query.
    """
    count = sum(number for fingerprint, number in fingerprint_counts.items() if is_framework_query(fingerprint))
    return count + any(is_session_user_query(fingerprint) for fingerprint in fingerprint_counts)


@lru_cache(maxsize=1024)
def is_framework_query(fingerprint: str) -> bool:
    """Whether the table of a query is one of content types, sessions, permissions, tokens, sites or migrations."""
    return find_table(fingerprint) in _framework_tables()


@lru_cache(maxsize=1024)
def is_session_user_query(fingerprint: str) -> bool:
    """Whether a query reads a user by primary key, as a session does."""
    match = _select_by_key.match(normalize(fingerprint))
    return match is not None and (match[1], match[2]) == _user_key()


@cache
def _framework_tables() -> frozenset[str]:
    metas = [model._meta for model in apps.get_models()]  # noqa: SLF001 - Django documents Model._meta
    found = [meta for meta in metas if meta.app_label in FRAMEWORK_APPS or meta.label in FRAMEWORK_MODELS]
    return frozenset({meta.db_table for meta in found} | {MIGRATIONS_TABLE})


@cache
def _user_key() -> tuple[str, str]:
    """Return table and primary key column of the user model; empty strings without `django.contrib.auth`."""
    if not apps.is_installed("django.contrib.auth"):
        return "", ""
    meta = get_user_model()._meta  # noqa: SLF001 - Django documents Model._meta
    return meta.db_table, str(meta.pk.column)
