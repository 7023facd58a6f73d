"""The report of a run: the problems, and each measured route with its budget, as Markdown or JSON."""

import json
from pathlib import Path
from typing import TypedDict

from observability.budgets.budget_file import Budgets
from observability.budgets.verdict import Measurement, Measurements, Problem

SUFFIXES = (".md", ".json")


class RouteReport(TypedDict):
    route: str
    queries: int
    framework_queries: int
    transactions: int
    max: int | None
    scale: str | None
    statements: list[str]
    test: str


class ProblemReport(TypedDict):
    route: str
    problem: str


class RunReport(TypedDict):
    """The content of a JSON report."""

    routes: list[RouteReport]
    broken: list[ProblemReport]


def write_report(path: Path, budgets: Budgets, measurements: Measurements, problems: list[Problem]) -> None:
    """Write the report in the format of the file's suffix. Raises `OSError`."""
    render = render_json if path.suffix == ".json" else render_markdown
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(budgets, measurements, problems), encoding="utf-8")


def render_json(budgets: Budgets, measurements: Measurements, problems: list[Problem]) -> str:
    report: RunReport = {
        "routes": [_to_dict(key, measurement, budgets) for key, measurement in sorted(measurements.items())],
        "broken": [{"route": each.key, "problem": each.title} for each in problems],
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _to_dict(key: str, measurement: Measurement, budgets: Budgets) -> RouteReport:
    return {
        "route": key,
        "queries": measurement.count,
        "framework_queries": measurement.framework,
        "transactions": measurement.transactions,
        "max": budgets[key].maximum if key in budgets else None,
        "scale": measurement.scale or None,
        "statements": list(measurement.statements),
        "test": measurement.test,
    }


def render_markdown(budgets: Budgets, measurements: Measurements, problems: list[Problem]) -> str:
    """Return Markdown with a list of the problems and a table of the routes."""
    lines = ["# Query budgets", ""]
    lines += [f"- {_escape(each.title)}" for each in problems] or ["No route exceeds its budget."]
    lines += [
        "",
        "| route | queries | budget | framework queries | transactions | scale |",
        "|---|--:|--:|--:|--:|---|",
    ]
    lines += [_render_row(key, measurement, budgets) for key, measurement in sorted(measurements.items())]
    return "\n".join(lines) + "\n"


def _render_row(key: str, measurement: Measurement, budgets: Budgets) -> str:
    maximum = budgets[key].maximum if key in budgets else None
    route = key.replace("|", "\\|")
    cells = [f"`{route}`", measurement.count, "none" if maximum is None else maximum]
    cells += [measurement.framework, measurement.transactions, measurement.scale]
    return f"| {' | '.join(map(str, cells))} |"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
