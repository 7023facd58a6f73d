"""The failure message of a test: its queries with origins and hints, colored if the terminal supports colors."""

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import pytest
from _pytest.outcomes import Failed

from observability.budgets.query_collector import CollectedQueries, Query
from observability.recorders.query_hints import find_field_declaration, find_hint
from observability.recorders.sql import normalize, summarize
from observability.text import format_count, truncate

MAX_QUERIES = 8
MIN_WIDTH, MAX_WIDTH = 72, 120

RED, CYAN, BOLD, RESET = "\x1b[31m", "\x1b[36m", "\x1b[1m", "\x1b[0m"

# The attribute of a report whose message has this form. Workers of xdist send it with the report.
REPORT_ATTRIBUTE = "is_query_budget"


class BudgetFailure(Failed):
    """Fail a test with a message about its queries, without a traceback, like `pytest.fail(…, pytrace=False)`."""

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


@dataclass(frozen=True)
class QueryEntry:
    """A query in a message.

    times: how often it ran, such as `3x`, or `2, 3, 10x` for several numbers of rows.
    note: how its count grows with the rows, or differs from the budget.
    is_at_fault: whether it is a probable cause of the failure; it is shown with its origin.
    """

    query: Query
    times: str
    note: str = ""
    is_at_fault: bool = False
    is_repeated: bool = True


def format_over_budget(title: str, collected: CollectedQueries, budgeted: Mapping[str, int]) -> list[str]:
    """Return the lines of a message. Queries are at fault if they run more often than in `budgeted` (by summary)."""
    queries, counts = collected.application_queries(), collected.summary_counts()
    extra = {query: counts[query.summary] - budgeted.get(query.summary, 0) for query in queries}
    # Repeated queries are at fault. Queries that run once are at fault only if no query is repeated.
    threshold = min(2, max([counts[query.summary] for query, number in extra.items() if number > 0], default=1))
    entries = []
    for query, number in queries.most_common():
        is_at_fault = extra[query] > 0 and counts[query.summary] >= threshold and (bool(budgeted) or number > 1)
        was = f"(was {budgeted[query.summary]}x)" if query.summary in budgeted else "(new)"
        note = was if budgeted and is_at_fault else ""
        entries.append(QueryEntry(query, f"{number}x", note, is_at_fault=is_at_fault, is_repeated=number > 1))
    entries.sort(key=lambda each: not each.is_at_fault)
    return [title, "", *format_queries(entries), *format_uncounted(collected)]


def format_queries(entries: Iterable[QueryEntry]) -> list[str]:
    """Return the lines of each query. The origin is shown for queries at fault; if there are none, for all queries."""
    listed = list(entries)
    is_any_at_fault = any(each.is_at_fault for each in listed)
    lines: list[str] = []
    for each in listed[:MAX_QUERIES]:
        lines += _format_query(each, has_origin=each.is_at_fault or not is_any_at_fault)
    if len(listed) > MAX_QUERIES:
        lines.append(f"  … and {format_count(len(listed) - MAX_QUERIES, 'more statement')}")
    return lines


def format_uncounted(collected: CollectedQueries) -> list[str]:
    """Return one line about framework queries and ends of transactions, or no line if there were none."""
    parts = []
    if collected.framework:
        tables = ", ".join(collected.framework_tables) or "the user of the session"
        parts.append(f"{format_count(collected.framework, 'framework query', 'framework queries')} ({tables})")
    parts += [format_count(number, kind) for kind, number in sorted(collected.transactions.items())]
    return [f"  not counted: {', '.join(parts)}"] if parts else []


def _format_query(entry: QueryEntry, *, has_origin: bool) -> list[str]:
    label = f"  {entry.times}" + (f"  {entry.note}" if entry.note else "")
    origin = _format_origin(entry) if has_origin else []
    return [*_fit_width(label, entry.query), *(f"      {line}" for line in origin)]


def _fit_width(label: str, query: Query) -> list[str]:
    """Return the label and the SQL, in full or as a summary, on one line if it fits, otherwise on two lines."""
    width = max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size().columns))
    texts = [f"{shorten(query.fingerprint)}{query.database_label}" for shorten in (normalize, summarize)]
    for text in texts:
        if len(label) + 2 + len(text) <= width:
            return [f"{label}  {text}"]
    below = width - 6
    text = next((text for text in texts if len(text) <= below), "")
    if not text:
        text = truncate(summarize(query.fingerprint), below - len(query.database_label)) + query.database_label
    return [label, f"      {text}"]


def _format_origin(entry: QueryEntry) -> list[str]:
    origin = entry.query.origin
    lines = []
    if origin.field is not None:
        lines.append(f"field  {origin.field}")
        declaration = find_field_declaration(origin.field)
        lines += [f"line   {declaration}"] if declaration and not origin.source_lines else []
    if not origin.source_lines and origin.view:
        lines.append(f"view   {origin.view}")
    for number, line in enumerate(origin.source_lines):
        lines.append(f"{'line' if number == 0 else 'from':<5}  {line}")
    if entry.is_at_fault and entry.is_repeated:
        lines.append(f"try    {find_hint(entry.query.fingerprint, origin)}")
    return lines


def mark_report(report: pytest.TestReport, error: BaseException) -> None:
    """Mark the report of a test that failed with a `BudgetFailure`. The message is text, so that xdist can send it."""
    if isinstance(error, BudgetFailure):
        report.longrepr = str(error)
        vars(report)[REPORT_ATTRIBUTE] = True


def enable_colors(report: pytest.TestReport) -> None:
    """Color the message of a marked report if the terminal supports it. JUnit XML, pipes and files get plain text."""
    if getattr(report, REPORT_ATTRIBUTE, False):
        report.longrepr = ColoredMessage(str(report.longrepr))  # type: ignore[assignment] # pytest's own type is private


class _TerminalWriter(Protocol):
    """The used part of pytest's terminal writer. `hasmarkup` respects --color, NO_COLOR and the terminal."""

    hasmarkup: bool

    def line(self, text: str) -> None: ...


class _Crash(NamedTuple):
    message: str


class ColoredMessage:
    """A message that can be the `longrepr` of a report. It has the methods that pytest calls."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    @property
    def reprcrash(self) -> _Crash:
        """The message for pytest's short summary and for JUnit XML."""
        return _Crash(self.text)

    def toterminal(self, terminal: _TerminalWriter) -> None:
        terminal.line(add_colors(self.text) if terminal.hasmarkup else self.text)


def add_colors(text: str) -> str:
    """Return the text with color codes for a terminal."""
    first, _, rest = text.partition("\n")
    rest = re.sub(r"^(\s+)(field|line|from|view|try)( +)", rf"\1{CYAN}\2{RESET}\3", rest, flags=re.MULTILINE)
    rest = re.sub(r"(\+\d+ per (?:row|\d+ rows)|\(new\)|\(was \d+x\))", rf"{RED}\1{RESET}", rest)
    return f"{BOLD}{RED}{first}{RESET}\n{rest}"
