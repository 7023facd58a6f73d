"""The query that breaks the budget of its route raises: for tests and development."""

from collections.abc import Iterator
from contextlib import contextmanager

from observability.core.observation import Observation
from observability.core.readers import AbortWork, readers
from observability.core.steps import Step


class OverBudget(AbortWork):
    """A request ran more queries than its route may; the query that did is the last one of the traceback."""


@contextmanager
def strict() -> Iterator[None]:
    """Raise `OverBudget` at the query that breaks the budget of its route, in any request until the block ends.

    Raises `RuntimeError` where neither DEBUG nor the tests are on: production never ends a request for its budget.
    """
    # Django is set up by then; the plugin imports this package before.
    from django.conf import settings  # noqa: PLC0415
    from django.core import mail  # noqa: PLC0415

    # What Django's test runner and pytest-django leave behind when they set up the tests.
    if not (settings.DEBUG or hasattr(mail, "outbox")):
        raise RuntimeError("observability.budgets.strict() is for tests and development: DEBUG is off.")
    with readers.added(_Strict()):
        yield


class _Strict:
    """Raises, once a request, what the reader of the budgets found."""

    def __init__(self) -> None:
        from observability.budgets.reader import QueryBudgets  # noqa: PLC0415 - as above

        self._budgets = QueryBudgets()

    def step(self, observation: Observation, step: Step) -> None:
        from observability.budgets.reader import BudgetState  # noqa: PLC0415 - as above

        if step.kind != "query":
            return
        request = self._budgets.broken_by(observation)
        # What comes after it, such as the page of the error, may query.
        if request is not None and request.http is not None and request.extensions.setdefault(self, step) is step:
            key = f"{request.http.method} {request.http.route}"
            state = BudgetState.of(request)
            count = request.query_count - state.framework_query_count
            raise OverBudget(f"{key} runs {count} queries, its budget is {state.query_budget}: {step.fingerprint}")
