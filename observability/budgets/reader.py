"""The reader that compares each request with the budget of its route while the service runs."""

import logging
from dataclasses import dataclass

from django.conf import settings

from observability.budgets.budget_file import BudgetFileError, load
from observability.budgets.framework_queries import framework_count
from observability.budgets.location import budget_path
from observability.budgets.query_collector import key_of
from observability.budgets.told import is_first_to_tell
from observability.core.diagnostics import Diagnostics
from observability.core.observation import Observation
from observability.core.readers import Headers
from observability.core.steps import Step

OVER_BUDGET = "query_budget_exceeded"

log = logging.getLogger("observability.budgets")


@dataclass(slots=True)
class BudgetState:
    """The budget of a request, on its observation: how many queries it may run, and whether it ran more.

    `query_budget` is None if the route has no budget. `framework_query_count` of the queries do not count; they are
    counted when the request exceeds its budget.
    """

    query_budget: int | None = None
    framework_query_count: int = 0
    is_over_budget: bool = False

    @classmethod
    def of(cls, observation: Observation) -> "BudgetState":
        state: BudgetState = observation.extensions.get(cls) or observation.extensions.setdefault(cls, cls())
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


class QueryBudgets:
    """Tells the observation of a request its budget, and whether it is broken; stands before the readers that show it.

    That is asked when the response starts and when the request ends. In development it is asked at each query, since
    the pages of the browser are made before the response starts. A route without an entry has no budget. A file that
    cannot be read costs a line on stderr (and is the check observability.E401): then nothing has one. The first
    request of each route that breaks its budget leaves a warning with the statement that it repeated most, for Sentry:
    once a process, and once a release and machine where OBSERVABILITY has both RELEASE and VAR_DIR.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()
        try:
            budgets = load(budget_path())
        except BudgetFileError as error:
            Diagnostics("observability:").write(str(error))
            budgets = {}
        self._maxima = {key: budget.maximum for key, budget in budgets.items() if budget.maximum is not None}
        if settings.DEBUG:
            self.step = self._queried

    def _queried(self, observation: Observation, step: Step) -> None:
        if step.kind == "query":
            self.broken_by(observation)

    def broken_by(self, observation: Observation | None) -> Observation | None:
        """The request that an observation is a part of, where it just broke its budget or did before."""
        while observation is not None and observation.http is None:
            observation = observation.parent
        if observation is None or observation.http is None:
            return None
        state = BudgetState.of(observation)
        if state.is_over_budget:
            return observation
        if state.query_budget is None:
            state.query_budget = self._maxima.get(key_of(observation.http))
        budget = state.query_budget
        # Framework queries are only counted if they decide.
        if budget is None or observation.query_count <= budget:
            return None
        state.framework_query_count = framework_count(observation.fingerprints)
        state.is_over_budget = observation.query_count - state.framework_query_count > budget
        return observation if state.is_over_budget else None

    def response_started(self, observation: Observation, headers: Headers) -> None:  # noqa: ARG002 - the contract's
        self.broken_by(observation)

    def closed(self, observation: Observation) -> None:
        http = observation.http
        if http is None or self.broken_by(observation) is None:
            return
        BudgetState.of(observation).framework_query_count = framework_count(observation.fingerprints)
        key = key_of(http)
        if key not in self._told:
            self._told.add(key)
            if is_first_to_tell(key):
                log.warning(OVER_BUDGET, extra={"observation": observation, "facts": _facts(key, observation)})


def _facts(key: str, observation: Observation) -> dict[str, object]:
    repeated = max(observation.fingerprints, key=lambda each: observation.fingerprints[each], default="")
    return {
        "budget.route": key,
        "db.query_budget": BudgetState.of(observation).query_budget,
        "db.query_count": observation.query_count,
        "db.repeated_count": observation.repeated_count,
        "db.query.text": repeated,
    }
