"""Compare each request of the running service with the budget of its route. With `strict()`, an excess raises."""

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
from observability.files import create_private_file, make_private_directory, wait_for_lock

OVER_BUDGET = "query_budget_exceeded"
# A file in VAR_DIR with the routes that were already reported in this release.
REPORTED_ROUTES_FILE = "over_budget.json"

log = logging.getLogger("observability.budgets")


@dataclass(slots=True)
class BudgetState:
    """The query budget of a request. It is in the extensions of the observation if the route has a budget.

    `framework_query_count` queries of the request do not count. It is 0 until the request has more queries than its
    budget, because it is not needed before.
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
    """Compare each request with the budget of its route. READERS must list it before readers that show the result.

    It compares when the response starts and when the request ends. If DEBUG is on, it also compares at each query,
    because the pages of the profiler are rendered before the response starts. A route without an entry in the file has
    no budget. If the file cannot be read, no route has a budget: the reader prints one line to stderr, and the system
    check observability.E401 fails.

    The first request of a route that exceeds its budget logs a warning with the most repeated query, which is an event
    in Sentry. This happens once per process, or once per release and machine if OBSERVABILITY has RELEASE and VAR_DIR.
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
        """Update the `BudgetState` of the observation's request; return it if the request exceeds its budget."""
        request = observation if observation.http is not None else find_request(observation)
        if request is None or request.http is None:
            return None
        state: BudgetState | None = request.extensions.get(BudgetState)
        if state is None:
            budget = self._maxima.get(route_key(request.http))
            if budget is None:
                return None
            state = request.extensions[BudgetState] = BudgetState(budget)
        # The total is within the budget, so framework queries do not have to be counted.
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
    """Record that the route is reported, and return whether no process of this machine and release reported it before.

    Without VAR_DIR or RELEASE, or if the file cannot be written, it always returns True.
    """
    release, path = configuration().release, shared_file(REPORTED_ROUTES_FILE)
    if not release or path is None:
        return True
    with suppress(OSError):
        make_private_directory(path.parent)
        create_private_file(path)
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
    """Return the reported routes of this release; empty if the file is from another release or not valid."""
    # If a process was killed while it wrote the file, the JSON is incomplete.
    with suppress(ValueError, KeyError, TypeError):
        document = json.loads(text)
        if document["release"] == release:
            return list(document["routes"])
    return []


class OverBudget(AbortWork):
    """A request exceeded the budget of its route. The traceback ends at the query that exceeded it."""


@contextmanager
def strict() -> Iterator[None]:
    """During the block, raise `OverBudget` in a request at the query that exceeds the budget of its route.

    Raises `RuntimeError` if DEBUG is off and no tests run: production never aborts a request because of its budget.
    """
    from django.core import mail  # noqa: PLC0415 - slow to import, and only tests and development need it

    # Django's test runner and pytest-django set `outbox` before the tests.
    if not (settings.DEBUG or hasattr(mail, "outbox")):
        message = "observability.budgets.strict() works only in tests and with DEBUG on. Here DEBUG is off."
        raise RuntimeError(message)
    with readers.added(_StrictReader()):
        yield


class _StrictReader:
    """Raise `OverBudget` once per request that exceeds its budget."""

    def __init__(self) -> None:
        self._reader = QueryBudgetReader()

    def step(self, observation: Observation, step: Step) -> None:
        request = find_request(observation) if step.kind == "query" else None
        state = self._reader.check(request) if request is not None else None
        if request is None or request.http is None or state is None:
            return
        # Later queries of the same request, for example of the error page, do not raise.
        if request.extensions.setdefault(self, step) is step:
            key = f"{request.http.method} {request.http.route}"
            count = request.query_count - state.framework_query_count
            raise OverBudget(
                f"{key} runs {count} queries, its budget is {state.query_budget}. Exceeded by: {step.fingerprint}"
            )
