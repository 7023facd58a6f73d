"""The query collector: which statements ran, what caused each, and how often; for a block of a test or one request."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

from observability.budgets.framework_queries import (
    count_framework_queries,
    is_framework_query,
    is_session_user_query,
)
from observability.budgets.routes import find_request, route_key
from observability.core.context import activate, current
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.recorders.query_origin import UNKNOWN_ORIGIN, QueryOrigin, find_query_origin
from observability.recorders.sql import find_table, summarize

ALL_DATABASES = "__all__"
DEFAULT_DATABASE = "default"

MAX_UNCOUNTED = 1_000


class QueryCollector:
    """The reader that the pytest plugin adds for all tests. It finds the origin of each step once, for all who collect.

    While `is_measuring`, `on_request_measured` gets each request at its end, with its queries. Thread-safe.
    """

    def __init__(self, on_request_measured: Callable[[Observation, "CollectedQueries"], None]) -> None:
        self.on_request_measured = on_request_measured
        self.is_measuring = False
        self._blocks: list[CollectedQueries] = []

    @contextmanager
    def collect(self) -> Iterator["CollectedQueries"]:
        """Collect what runs until the block ends, in any thread, inside and outside of requests."""
        collected = CollectedQueries()
        observation = Observation("span", "django_query_collector", parent=current())
        self._blocks.append(collected)
        try:
            # Nothing closes the observation: a test that collects queries writes no log line.
            with activate(observation):
                yield collected
        finally:
            self._blocks = [each for each in self._blocks if each is not collected]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Measure no request until the block ends."""
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
                collected.failed_requests.append(f"{key} was answered with {http.status_code}")
        if self.is_measuring and http.route is not None:
            self.on_request_measured(observation, self._queries_of(observation))

    def _queries_of(self, request: Observation) -> "CollectedQueries":
        """Return the queries of a request; its observation holds them."""
        collected: CollectedQueries | None = request.extensions.get(self)
        if collected is None:
            collected = request.extensions[self] = CollectedQueries()
        return collected


class Query(NamedTuple):
    """A statement and what caused it. Equal ones are counted together."""

    fingerprint: str
    database: str
    origin: QueryOrigin

    @property
    def summary(self) -> str:
        return summarize(self.fingerprint) + self.database_label

    @property
    def database_label(self) -> str:
        """` (database other)`; empty for the default database."""
        return "" if self.database == DEFAULT_DATABASE else f" (database {self.database})"


class CollectedQueries:
    """The queries of one block or request, from any thread, and how many transactions ended.

    `count` is the number of the application's queries, which budgets limit; `total` includes the framework's, as
    `db.query_count` does.
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
        """Count what was added since the last time: many queries at once cost less than each of them alone."""
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
        """The tables of the framework's statements."""
        return sorted({find_table(fingerprint) for fingerprint in self.statements if is_framework_query(fingerprint)})

    def application_queries(self) -> Counter[Query]:
        """Return the application's queries, `count` of them, and how often each ran."""
        counts = Counter(
            {query: number for query, number in self.queries.items() if not is_framework_query(query.fingerprint)}
        )
        session_user = next((query for query in counts if is_session_user_query(query.fingerprint)), None)
        if session_user is not None:
            counts[session_user] -= 1
        return +counts

    def summary_counts(self) -> Counter[str]:
        """Return how often each summary is among the application's queries."""
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
        """Return the queries of one database, of several, or of all."""
        if using == ALL_DATABASES:
            return self
        names = {using} if isinstance(using, str) else set(using)
        return self.only(lambda query: query.database in names)
