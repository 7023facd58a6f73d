"""What changed between two budget files, as Markdown for a pull request."""

from collections.abc import Iterable

from observability.budgets.budget_file import Budget, Budgets


def as_markdown(old: Budgets, new: Budgets) -> str:
    """Routes that got worse, better, are new or gone, and those whose statements alone changed."""
    both = sorted(old.keys() & new.keys())
    worse = [key for key in both if _weight(new[key]) > _weight(old[key])]
    better = [key for key in both if _weight(new[key]) < _weight(old[key])]
    other = [key for key in both if key not in {*worse, *better} and old[key] != new[key]]
    sections = [
        _section("Worse", worse, old, new),
        _section("Better", better, old, new),
        _section("New", sorted(new.keys() - old.keys()), old, new),
        _section("Gone", sorted(old.keys() - new.keys()), old, new),
        _section("Changed", other, old, new),
    ]
    text = "\n".join(filter(None, sections))
    return f"## Query budgets\n\n{text.rstrip() or 'Nothing changed.'}\n"


def _weight(budget: Budget) -> tuple[float, bool]:
    """A budget that is waived weighs most; of equal ones, that which is not known to be constant."""
    return (float("inf") if budget.maximum is None else budget.maximum, not budget.scale)


def _section(title: str, keys: Iterable[str], old: Budgets, new: Budgets) -> str:
    lines = [line for key in keys for line in _route(key, old.get(key), new.get(key))]
    return "\n".join([f"### {title}", "", *lines, ""]) if lines else ""


def _route(key: str, old: Budget | None, new: Budget | None) -> list[str]:
    sides = " → ".join(dict.fromkeys(_shown(budget) for budget in (old, new) if budget is not None))
    reason = f": {new.reason.replace('<', '&lt;')}" if new is not None and new.reason else ""
    return [f"- `{key}` {sides}{reason}", *_statements(old, new)]


def _shown(budget: Budget) -> str:
    maximum = "waived" if budget.maximum is None else str(budget.maximum)
    return maximum if budget.scale or budget.maximum is None else f"{maximum} (not constant)"


def _statements(old: Budget | None, new: Budget | None) -> list[str]:
    """The lines of the file that differ, as a diff."""
    before, after = (set(budget.statements) if budget is not None else set() for budget in (old, new))
    if old is None or new is None or before == after:
        return []
    lines = [f"  - {line}" for line in sorted(before - after)] + [f"  + {line}" for line in sorted(after - before)]
    return ["", "  ```diff", *(f"  {line.strip()}" for line in lines), "  ```"]
