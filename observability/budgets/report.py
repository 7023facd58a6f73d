"""The report of a run: every route that was measured, beside its budget; as Markdown or JSON."""

import json
from pathlib import Path

from observability.budgets.budget_file import Budgets
from observability.budgets.measured import Measured, Measurements
from observability.budgets.verdict import Finding

SUFFIXES = (".md", ".json")


def write_report(path: Path, budgets: Budgets, measurements: Measurements, found: list[Finding]) -> None:
    """Write the file, in the form that its suffix names. Raises `OSError`."""
    make = as_json if path.suffix == ".json" else as_markdown
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(make(budgets, measurements, found), encoding="utf-8")


def as_json(budgets: Budgets, measurements: Measurements, found: list[Finding]) -> str:
    """An object with a list of routes and one of what is broken."""
    routes = [
        {
            "route": key,
            "queries": measured.count,
            "framework_queries": measured.framework,
            "transactions": measured.transactions,
            "max": budgets[key].maximum if key in budgets else None,
            "scale": measured.scale or None,
            "statements": list(measured.statements),
            "test": measured.test,
        }
        for key, measured in sorted(measurements.items())
    ]
    broken = [{"route": each.key, "problem": each.title} for each in found]
    return json.dumps({"routes": routes, "broken": broken}, indent=2, ensure_ascii=False) + "\n"


def as_markdown(budgets: Budgets, measurements: Measurements, found: list[Finding]) -> str:
    """A table of the routes, after a list of what is broken."""
    lines = ["# Query budgets", ""]
    lines += [f"- {escaped(each.title)}" for each in found] or ["All budgets hold."]
    lines += ["", "| route | queries | budget | of the framework | transactions | scale |", "|---|--:|--:|--:|--:|---|"]
    lines += [_row(key, measured, budgets) for key, measured in sorted(measurements.items())]
    return "\n".join(lines) + "\n"


def _row(key: str, measured: Measured, budgets: Budgets) -> str:
    maximum = budgets[key].maximum if key in budgets else None
    route = key.replace("|", "\\|")
    cells = [f"`{route}`", measured.count, "none" if maximum is None else maximum]
    cells += [measured.framework, measured.transactions, measured.scale]
    return f"| {' | '.join(map(str, cells))} |"


def escaped(text: str) -> str:
    """A text in a cell of a table, or in a line."""
    return text.replace("|", "\\|").replace("<", "&lt;")
