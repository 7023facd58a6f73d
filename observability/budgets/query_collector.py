"""What ran: each statement with its origin, and how often; of a block of a test, or of one request."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

from observability.budgets.framework_queries import framework_count, is_framework, is_login
from observability.core.context import activate, current
from observability.core.http_attributes import HttpAttributes
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.recorders.query_origin import UNKNOWN_ORIGIN, QueryOrigin, find_query_origin
from observability.recorders.sql import find_table, summarize

ALL_DATABASES = "__all__"
DEFAULT_DATABASE = "default"

MAX_UNCOUNTED = 1_000


class Query(NamedTuple):
    """A statement and what caused it; those that are equal are counted together."""

    fingerprint: str
    database: str
    origin: QueryOrigin

    @property
    def summary(self) -> str:
        return summarize(self.fingerprint) + self.place

    @property
    def place(self) -> str:
        """` (database other)`, or nothing where it is the default one."""
        return "" if self.database == DEFAULT_DATABASE else f" (database {self.database})"


class Recording:
    """Queries as they ran, and how many transactions ended; of one block or request, and of any thread.

    `count` is the application's, which budgets are for; `total` is `db.query_count`.
    """

    def __init__(self, queries: Counter[Query] | None = None) -> None:
        self._queries: Counter[Query] = Counter() if queries is None else queries
        self._uncounted: deque[Query] = deque()
        self._lock = Lock()
        self.transactions: Counter[str] = Counter()
        self.routes: list[str] = []
        self.refused: list[str] = []

    def add(self, step: Step, reason: QueryOrigin) -> None:
        if step.kind == "query":
            self._uncounted.append(Query(step.fingerprint, step.source, reason))
            if len(self._uncounted) >= MAX_UNCOUNTED:
                self._count()
        else:
            self.transactions[step.kind] += 1

    @property
    def queries(self) -> Counter[Query]:
        """How often each ran."""
        self._count()
        return self._queries

    def _count(self) -> None:
        """Count what came since the last look: many in one go cost less than each in its turn."""
        with self._lock:
            while self._uncounted:
                self._queries[self._uncounted.popleft()] += 1

    @property
    def statements(self) -> Counter[str]:
        """How often each fingerprint ran."""
        counted: Counter[str] = Counter()
        for query, number in self.queries.items():
            counted[query.fingerprint] += number
        return counted

    @property
    def total(self) -> int:
        return self.queries.total()

    @property
    def framework(self) -> int:
        return framework_count(self.statements)

    @property
    def count(self) -> int:
        return self.total - self.framework

    @property
    def framework_tables(self) -> list[str]:
        """The tables of the framework's statements."""
        return sorted({find_table(fingerprint) for fingerprint in self.statements if is_framework(fingerprint)})

    def application(self) -> Counter[Query]:
        """The application's queries, `count` of them."""
        kept = Counter({query: number for query, number in self.queries.items() if not is_framework(query.fingerprint)})
        login = next((query for query in kept if is_login(query.fingerprint)), None)
        if login is not None:
            kept[login] -= 1
        return +kept

    def only(self, keep: Callable[[Query], bool]) -> "Recording":
        """A recording of those queries alone."""
        kept = Recording(Counter({query: number for query, number in self.queries.items() if keep(query)}))
        kept.transactions, kept.routes = self.transactions, self.routes
        return kept

    def in_databases(self, using: str | Iterable[str]) -> "Recording":
        """The queries of one database, of several, or of all."""
        if using == ALL_DATABASES:
            return self
        names = {using} if isinstance(using, str) else set(using)
        return self.only(lambda query: query.database in names)


class Recorder:
    """The reader that the plugin adds for all tests: it finds the origin of each step once, whoever records it.

    `request_ended` is called with each request that was measured, while `is_measuring`. Several threads may record.
    """

    def __init__(self, request_ended: Callable[[Observation, Recording], None]) -> None:
        self.request_ended = request_ended
        self.is_measuring = False
        self._blocks: list[Recording] = []

    @contextmanager
    def block(self) -> Iterator[Recording]:
        """Record what runs until the block ends, in any thread, in requests and outside of them."""
        recording = Recording()
        observation = Observation("span", "django_query_recorder", parent=current())
        self._blocks.append(recording)
        try:
            # It is never closed: a test that records leaves no line.
            with activate(observation):
                yield recording
        finally:
            self._blocks = [each for each in self._blocks if each is not recording]

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
        request = _request_of(observation) if self.is_measuring else None
        if request is None and not self._blocks:
            return
        reason = find_query_origin() if step.kind == "query" else UNKNOWN_ORIGIN
        for recording in self._blocks:
            recording.add(step, reason)
        if request is not None:
            self._recording_of(request).add(step, reason)

    def closed(self, observation: Observation) -> None:
        http = observation.http
        if http is None:
            return
        for recording in self._blocks:
            key = key_of(http)
            recording.routes += [] if key in recording.routes else [key]
            if (http.status_code or 500) >= 400:  # noqa: PLR2004 - a failure of the client or the server
                recording.refused.append(f"{key} was answered with {http.status_code}")
        if self.is_measuring and http.route is not None:
            self.request_ended(observation, self._recording_of(observation))

    def _recording_of(self, request: Observation) -> Recording:
        """It stands on the observation and goes with it."""
        recording: Recording | None = request.extensions.get(self)
        if recording is None:
            recording = request.extensions[self] = Recording()
        return recording


def key_of(http: HttpAttributes) -> str:
    """`METHOD route` of a request; the path where no route matched. HEAD runs what GET does."""
    method = "GET" if http.method == "HEAD" else http.method
    return f"{method} {http.route or http.path}"


def _request_of(observation: Observation | None) -> Observation | None:
    """The request that an observation is, or is a part of."""
    while observation is not None and observation.http is None:
        observation = observation.parent
    return observation
