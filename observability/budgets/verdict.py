"""What a run of the tests says of the budget file: what is broken, and what recording makes of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from observability.budgets.budget_file import Budget, Budgets
from observability.budgets.failure_message import queries
from observability.budgets.measured import Measured, Measurements
from observability.budgets.routes import Route


@dataclass(frozen=True)
class Finding:
    """A broken budget of one `METHOD route`, as a failure of the run."""

    key: str
    text: str

    @property
    def title(self) -> str:
        return self.text.partition("\n")[0]


@dataclass(frozen=True)
class Run:
    """What kind of run it was: a full one ran all tests, a clean one passed them; `command` starts it."""

    is_full: bool
    is_clean: bool
    command: str
    file: str


def findings(budgets: Budgets, measurements: Measurements, run: Run, required: Iterable[Route] | None) -> list[Finding]:
    """What fails the run, by route. What only a full run can know (what no test measured) fails a full run alone."""
    found = [_over(key, budgets[key], measured, run) for key, measured in measurements.items() if key in budgets]
    if run.is_full:
        found += [_missing(key, measured, run) for key, measured in measurements.items() if key not in budgets]
    if run.is_full and run.is_clean:
        found += [_stale(key, run) for key, budget in budgets.items() if _is_stale(key, budget, measurements)]
        found += [_unproved(key, run) for key, budget in budgets.items() if _lost_its_proof(key, budget, measurements)]
        found += [each for route in required or () for each in _uncovered(route, budgets, measurements)]
    by_key = {each.key: each for each in reversed([each for each in found if each is not None])}
    return [by_key[key] for key in sorted(by_key)]


def _over(key: str, budget: Budget, measured: Measured, run: Run) -> Finding | None:
    if budget.maximum is None or measured.count <= budget.maximum:
        return None
    lines = [
        f"{key} runs {queries(measured.count)}, its budget is {budget.maximum}",
        "",
        *measured.explained,
        f"  in {measured.test}",
        "  mend the code, or raise the budget and say why:",
        f'      {run.command} --query-budget=record --query-budget-reason="…"',
    ]
    return Finding(key, "\n".join(lines))


def _missing(key: str, measured: Measured, run: Run) -> Finding:
    title = f"{key} has no budget: it runs {queries(measured.count)}"
    return Finding(key, f"{title}\n\n  in {measured.test}\n  record it in {run.file}:\n      {_record(run)}")


def _stale(key: str, run: Run) -> Finding:
    title = f"{key} has a budget, and no test measured it"
    return Finding(key, f"{title}\n\n  the route is gone or lost its test; where it is gone:\n      {_prune(run)}")


def _is_stale(key: str, budget: Budget, measurements: Measurements) -> bool:
    """Whether no test measured a route that has a budget; one that is waived needs no test."""
    return key not in measurements and budget.maximum is not None


def _unproved(key: str, run: Run) -> Finding:
    title = f"{key} is said to be constant, and no test proved it"
    return Finding(key, f"{title}\n\n  prove it by django_assert_constant_queries, or drop it:\n      {_prune(run)}")


def _lost_its_proof(key: str, budget: Budget, measurements: Measurements) -> bool:
    return bool(budget.scale) and key in measurements and not measurements[key].scale


def _uncovered(route: Route, budgets: Budgets, measurements: Measurements) -> list[Finding]:
    excused = {key for key, budget in budgets.items() if budget.reason}
    missing = [
        Finding(
            key,
            f"{key} is measured by no test\n\n  view  {route.view}\n"
            "  write a test that calls it inside of django_assert_constant_queries",
        )
        for key in route.unmeasured(set(measurements) | excused)
    ]
    keys = [key for key in measurements if key.partition(" ")[2] == route.route and key not in excused]
    unproved = [
        Finding(
            key,
            f"{key} is not known to run as many queries for any number of rows\n\n  view  {route.view}\n"
            '  call it inside of django_assert_constant_queries, or say why not, by "reason" in the budget file',
        )
        for key in keys
        if not measurements[key].scale
    ]
    return missing + unproved


def _record(run: Run) -> str:
    return f"{run.command} --query-budget=record"


def _prune(run: Run) -> str:
    return f"{run.command} --query-budget=record --query-budget-prune"


def recorded(
    budgets: Budgets, measurements: Measurements, run: Run, *, reason: str = "", prune: bool = False
) -> tuple[Budgets, list[Finding]]:
    """The budgets after recording, and what was not recorded: a budget is raised for a reason only.

    A part of the tests adds and raises; a full, clean run lowers too, and with `prune` drops what nothing measured. If
    a test failed, nothing is added: its request may have been refused, or have ended early. Reasons stay.
    """
    kept = dict(budgets)
    refused: list[Finding] = []
    may_lower = run.is_full and run.is_clean
    for key, measured in measurements.items():
        budget = kept.get(key)
        if budget is None and not run.is_clean:
            continue
        if budget is None:
            kept[key] = Budget(measured.count, measured.scale, measured.statements)
        elif budget.maximum is not None and measured.count > budget.maximum and not (reason or budget.reason):
            finding = _over(key, budget, measured, run)
            refused += [finding] if finding is not None else []
        else:
            kept[key] = _updated(budget, measured, reason, may_lower=may_lower, prune=prune)
    if prune and may_lower:
        kept = {key: budget for key, budget in kept.items() if not _is_stale(key, budget, measurements)}
    return kept, refused


def _updated(budget: Budget, measured: Measured, reason: str, *, may_lower: bool, prune: bool) -> Budget:
    scale = measured.scale or ("" if prune and may_lower else budget.scale)
    if budget.maximum is None:
        return replace(budget, scale=scale, statements=measured.statements if may_lower else budget.statements)
    is_raised = measured.count > budget.maximum
    if not (is_raised or may_lower):
        return replace(budget, scale=scale)
    return Budget(measured.count, scale, measured.statements, (reason if is_raised else "") or budget.reason)
