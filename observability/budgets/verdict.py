"""The verdict of a run: compare the measurements of its tests with the budget file, and update the budgets."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypedDict

from observability.budgets.budget_file import Budget, Budgets, Scale, format_statements
from observability.budgets.failure_message import format_over_budget
from observability.budgets.query_collector import CollectedQueries
from observability.budgets.routes import Route
from observability.text import format_count


class MeasurementDict(TypedDict):
    """A measurement as workers of xdist send it."""

    count: int
    statements: list[str]
    framework: int
    transactions: int
    test: str
    scale: Scale
    explanation: list[str]


@dataclass(frozen=True)
class Measurement:
    """The request of a route that ran the most queries. If it exceeds the budget, `explanation` has its queries."""

    count: int
    statements: tuple[str, ...] = ()
    framework: int = 0
    transactions: int = 0
    test: str = ""
    scale: Scale = ""
    explanation: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, collected: CollectedQueries, *, test: str, exceeded: Budget | None, allow: Sequence[str] = ()
    ) -> "Measurement":
        """Return the measurement of one request; `exceeded` is the budget that it exceeds, if it does."""
        counted = collected.without(allow) if allow else collected
        explanation = format_over_budget("", counted, exceeded.statement_counts)[2:] if exceeded is not None else ()
        return cls(
            count=counted.count,
            statements=format_statements(counted.summary_counts()),
            framework=collected.framework,
            transactions=collected.transactions.total(),
            test=test,
            explanation=tuple(explanation),
        )

    def merge(self, other: "Measurement") -> "Measurement":
        """Return the larger of two measurements, with the `scale` of either. The order does not matter."""
        larger = min(self, other, key=lambda each: (-each.count, each.statements, each.test))
        return replace(larger, scale=self.scale or other.scale)


class Measurements(dict[str, Measurement]):
    """The measurements of all tests and workers, by `METHOD route`."""

    def add(self, key: str, measurement: Measurement) -> None:
        self[key] = self[key].merge(measurement) if key in self else measurement

    def add_all(self, others: Iterable[tuple[str, Measurement]]) -> None:
        for key, measurement in others:
            self.add(key, measurement)

    def to_json(self) -> str:
        """Return the text that a worker of xdist sends."""
        return json.dumps({key: asdict(measurement) for key, measurement in self.items()})

    @classmethod
    def from_json(cls, text: str) -> "Measurements":
        document: dict[str, MeasurementDict] = json.loads(text)
        return cls({key: _parse_measurement(entry) for key, entry in document.items()})


def _parse_measurement(entry: MeasurementDict) -> Measurement:
    return Measurement(
        count=entry["count"],
        statements=tuple(entry["statements"]),
        framework=entry["framework"],
        transactions=entry["transactions"],
        test=entry["test"],
        scale=entry["scale"],
        explanation=tuple(entry["explanation"]),
    )


@dataclass(frozen=True)
class Problem:
    """A problem of one `METHOD route`, which fails the run."""

    key: str
    text: str

    @property
    def title(self) -> str:
        return self.text.partition("\n")[0]


@dataclass(frozen=True)
class RunResult:
    """A finished run: `is_full` if all tests ran, `has_passed` if no test failed, and the command that starts it."""

    is_full: bool
    has_passed: bool
    command: str
    file: str

    @property
    def record_command(self) -> str:
        return f"{self.command} --query-budget=record"

    @property
    def prune_command(self) -> str:
        return f"{self.record_command} --query-budget-prune"


def find_problems(
    budgets: Budgets, measurements: Measurements, run: RunResult, required: Iterable[Route] | None
) -> list[Problem]:
    """Return the problems that fail the run, sorted by route. Missing measurements are problems only in a full run."""
    problems = [_check_maximum(key, budgets[key], each, run) for key, each in measurements.items() if key in budgets]
    if run.is_full:
        problems += [_describe_missing(key, each, run) for key, each in measurements.items() if key not in budgets]
    if run.is_full and run.has_passed:
        for key, budget in budgets.items():
            problems += [_describe_stale(key, run)] if _is_stale(key, budget, measurements) else []
            problems += [_describe_unverified(key, run)] if _is_unverified(key, budget, measurements) else []
        problems += [each for route in required or () for each in _check_route(route, budgets, measurements)]
    by_key = {each.key: each for each in reversed([each for each in problems if each is not None])}
    return [by_key[key] for key in sorted(by_key)]


def update_budgets(
    budgets: Budgets, measurements: Measurements, run: RunResult, *, reason: str = "", prune: bool = False
) -> tuple[Budgets, list[Problem]]:
    """Return the updated budgets, and a problem for each raised budget that was refused because it has no reason.

    A partial run adds and raises budgets. A full run that passed also lowers them, and with `prune` removes budgets of
    routes that no test measured. If a test failed, no budget is added: its request may have been rejected, or may have
    ended early. Existing reasons are kept.
    """
    updated = dict(budgets)
    refused: list[Problem] = []
    may_lower = run.is_full and run.has_passed
    for key, measurement in measurements.items():
        budget = updated.get(key)
        if budget is None:
            if run.has_passed:
                updated[key] = Budget(measurement.count, measurement.scale, measurement.statements)
            continue
        problem = _check_maximum(key, budget, measurement, run)
        if problem is not None and not (reason or budget.reason):
            refused.append(problem)
        else:
            updated[key] = _update_budget(budget, measurement, reason, may_lower=may_lower, prune=prune)
    if prune and may_lower:
        updated = {key: budget for key, budget in updated.items() if not _is_stale(key, budget, measurements)}
    return updated, refused


def find_raised(before: Budgets, after: Budgets) -> Iterator[str]:
    """Yield a text for each budget that is higher than before, such as `GET /api/books/ from 2 to 4`."""
    for key, budget in after.items():
        old, new = before[key].maximum if key in before else None, budget.maximum
        if old is not None and new is not None and new > old:
            yield f"{key} from {old} to {new}"


def _update_budget(budget: Budget, measurement: Measurement, reason: str, *, may_lower: bool, prune: bool) -> Budget:
    scale = measurement.scale or ("" if prune and may_lower else budget.scale)
    if budget.maximum is None:
        return replace(budget, scale=scale, statements=measurement.statements if may_lower else budget.statements)
    is_raised = measurement.count > budget.maximum
    if not (is_raised or may_lower):
        return replace(budget, scale=scale)
    return Budget(measurement.count, scale, measurement.statements, (reason if is_raised else "") or budget.reason)


def _check_maximum(key: str, budget: Budget, measurement: Measurement, run: RunResult) -> Problem | None:
    if budget.maximum is None or measurement.count <= budget.maximum:
        return None
    lines = [
        f"{key} runs {_format_queries(measurement)}, its budget is {budget.maximum}",
        "",
        *measurement.explanation,
        f"  in {measurement.test}",
        "  fix the code, or raise the budget and say why:",
        f'      {run.record_command} --query-budget-reason="…"',
    ]
    return Problem(key, "\n".join(lines))


def _describe_missing(key: str, measurement: Measurement, run: RunResult) -> Problem:
    title = f"{key} has no budget: it runs {_format_queries(measurement)}"
    hint = f"  in {measurement.test}\n  record it in {run.file}:\n      {run.record_command}"
    return Problem(key, f"{title}\n\n{hint}")


def _describe_stale(key: str, run: RunResult) -> Problem:
    title = f"{key} has a budget, but no test measures it"
    hint = f"  restore its test, or remove the budget if the route no longer exists:\n      {run.prune_command}"
    return Problem(key, f"{title}\n\n{hint}")


def _is_stale(key: str, budget: Budget, measurements: Measurements) -> bool:
    """Whether no test measured a route with a budget. A waived budget needs no test."""
    return key not in measurements and budget.maximum is not None


def _describe_unverified(key: str, run: RunResult) -> Problem:
    title = f"{key} is marked `constant`, but no test verifies it"
    hint = f"  verify it with django_assert_constant_queries, or remove the mark:\n      {run.prune_command}"
    return Problem(key, f"{title}\n\n{hint}")


def _is_unverified(key: str, budget: Budget, measurements: Measurements) -> bool:
    return bool(budget.scale) and key in measurements and not measurements[key].scale


def _check_route(route: Route, budgets: Budgets, measurements: Measurements) -> list[Problem]:
    excused = {key for key, budget in budgets.items() if budget.reason}
    unmeasured = [
        Problem(
            key,
            f"{key} is not measured by any test\n\n  view  {route.view}\n"
            "  write a test that requests it in django_assert_constant_queries",
        )
        for key in route.find_unmeasured(set(measurements) | excused)
    ]
    keys = [key for key in measurements if key.partition(" ")[2] == route.route and key not in excused]
    unverified = [
        Problem(
            key,
            f"{key} has no test that verifies a constant number of queries\n\n  view  {route.view}\n"
            '  request it in django_assert_constant_queries, or add a "reason" to its entry in the budget file',
        )
        for key in keys
        if not measurements[key].scale
    ]
    return unmeasured + unverified


def _format_queries(measurement: Measurement) -> str:
    return format_count(measurement.count, "query", "queries")
