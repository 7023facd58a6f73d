"""The budget while the service runs: compare each request with the budget of its route; `strict()` raises."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypedDict

from django.conf import settings

from observability.budgets.budget_file import BudgetFileError, budget_path, load_budgets
from observability.budgets.query_collector import count_framework_queries
from observability.budgets.routes import find_request, route_key
from observability.conf import configuration, shared_file
from observability.core.diagnostics import Diagnostics
from observability.core.observation import Observation
from observability.core.readers import AbortWork, Headers, readers
from observability.core.steps import Step
from observability.files import wait_for_lock

OVER_BUDGET = "query_budget_exceeded"
# The routes of one release that were reported, in VAR_DIR.
REPORTED_ROUTES_FILE = "over_budget.json"

log = logging.getLogger("observability.budgets")


@dataclass(slots=True)
class BudgetState:
    """The budget of a request, on its observation if the route has one: how many queries it may run, and the excess.

    `framework_query_count` of the queries do not count; they are counted when the request exceeds its budget.
    """

    query_budget: int
    framework_query_count: int = 0
    is_over_budget: bool = False

    @classmethod
    def find(cls, observation: Observation) -> "BudgetState | None":
        state: BudgetState | None = observation.extensions.get(cls)
        return state

    @property
    def is_logged(self) -> bool:
        return self.is_over_budget

    def to_measurements(self) -> dict[str, object]:
        return {
            "db.query_budget": self.query_budget,
            "db.over_budget": self.is_over_budget,
            "db.framework_query_count": self.framework_query_count,
        }


class QueryBudgetReader:
    """Compare each request with the budget of its route. READERS lists it before the readers that show the result.

    It compares when the response starts and when the request ends. In development it also compares at each query: the
    profiler's pages are rendered before the response starts. A route without an entry has no budget. If the file
    cannot be read, no route has one: the reader prints one line to stderr, and the check observability.E401 fails.

    The first request of a route that exceeds the budget logs a warning with the most repeated statement, for Sentry:
    once per process, or once per release and machine if OBSERVABILITY has both RELEASE and VAR_DIR.
    """

    def __init__(self) -> None:
        self._reported_routes: set[str] = set()
        try:
            budgets = load_budgets(budget_path())
        except BudgetFileError as error:
            Diagnostics("observability:").write(str(error))
            budgets = {}
        self._maxima = {key: budget.maximum for key, budget in budgets.items() if budget.maximum is not None}
        if settings.DEBUG:
            self.step = self._check_step

    def check(self, observation: Observation) -> BudgetState | None:
        """Update the budget of the request that the observation is a part of; return it if the request is over it."""
        request = observation if observation.http is not None else find_request(observation)
        if request is None or request.http is None:
            return None
        state: BudgetState | None = request.extensions.get(BudgetState)
        if state is None:
            budget = self._maxima.get(route_key(request.http))
            if budget is None:
                return None
            state = request.extensions[BudgetState] = BudgetState(budget)
        # Framework queries are only counted if they decide.
        if request.query_count <= state.query_budget:
            return None
        if not state.is_over_budget:
            state.framework_query_count = count_framework_queries(request.fingerprints)
            state.is_over_budget = request.query_count - state.framework_query_count > state.query_budget
        return state if state.is_over_budget else None

    def _check_step(self, observation: Observation, step: Step) -> None:
        if step.kind == "query":
            self.check(observation)

    def response_started(self, observation: Observation, headers: Headers) -> None:  # noqa: ARG002 - the contract of readers
        self.check(observation)

    def closed(self, observation: Observation) -> None:
        http = observation.http
        state = self.check(observation) if http is not None else None
        if http is None or state is None:
            return
        state.framework_query_count = count_framework_queries(observation.fingerprints)
        key = route_key(http)
        if key not in self._reported_routes:
            self._reported_routes.add(key)
            if claim_report(key):
                log.warning(OVER_BUDGET, extra={"observation": observation, "facts": _facts(key, observation, state)})


def _facts(key: str, observation: Observation, state: BudgetState) -> dict[str, object]:
    repeated = max(observation.fingerprints, key=lambda each: observation.fingerprints[each], default="")
    return {
        "budget.route": key,
        "db.query_budget": state.query_budget,
        "db.query_count": observation.query_count,
        "db.repeated_count": observation.repeated_count,
        "db.query.text": repeated,
    }


class _ReportedRoutes(TypedDict):
    """The content of `over_budget.json`."""

    release: str
    routes: list[str]


def claim_report(key: str) -> bool:
    """Return whether this process is the first of the machine and release to report the route, and record it.

    If the file cannot be written, or there is no VAR_DIR or no RELEASE, each process is the first.
    """
    release, path = configuration().release, shared_file(REPORTED_ROUTES_FILE)
    if not release or path is None:
        return True
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as file:
            wait_for_lock(file.fileno())
            file.seek(0)
            routes = _parse_routes(file.read(), release)
            if key in routes:
                return False
            file.truncate(0)
            content: _ReportedRoutes = {"release": release, "routes": sorted({*routes, key})}
            json.dump(content, file, indent=2)
    return True


def _parse_routes(text: str, release: str) -> list[str]:
    """Return the routes of this release; none if the file is of another release or is damaged."""
    # A process that was killed while it wrote leaves a part of the text.
    with suppress(ValueError, KeyError, TypeError):
        document = json.loads(text)
        if document["release"] == release:
            return list(document["routes"])
    return []


class OverBudget(AbortWork):
    """A request ran more queries than its route may. The traceback ends at the query that exceeded the budget."""


@contextmanager
def strict() -> Iterator[None]:
    """Raise `OverBudget` at the query that exceeds the budget of its route, in any request until the block ends.

    Raises `RuntimeError` unless DEBUG is on or tests run: production never aborts a request because of its budget.
    """
    from django.core import mail  # noqa: PLC0415 - slow to import, and only tests and development need it

    # Django's test runner and pytest-django set it when they set up the tests.
    if not (settings.DEBUG or hasattr(mail, "outbox")):
        raise RuntimeError("observability.budgets.strict() is for tests and development: DEBUG is off.")
    with readers.added(_StrictReader()):
        yield


class _StrictReader:
    """Raise once per request, if `QueryBudgetReader` finds that it is over its budget."""

    def __init__(self) -> None:
        self._reader = QueryBudgetReader()

    def step(self, observation: Observation, step: Step) -> None:
        request = find_request(observation) if step.kind == "query" else None
        state = self._reader.check(request) if request is not None else None
        if request is None or request.http is None or state is None:
            return
        # Later queries of the request, for example those of the error page, do not raise.
        if request.extensions.setdefault(self, step) is step:
            key = f"{request.http.method} {request.http.route}"
            count = request.query_count - state.framework_query_count
            raise OverBudget(f"{key} runs {count} queries, its budget is {state.query_budget}: {step.fingerprint}")
