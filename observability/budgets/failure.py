"""A failure that explains a budget: coloured where pytest colours, plain in JUnit XML, pipes and reports."""

from typing import NamedTuple, Protocol

import pytest
from _pytest.outcomes import Failed

from observability.budgets.failure_message import coloured

# The attribute of a report that has such an explanation: pytest sends it along from workers of xdist.
MARK = "is_query_budget"


class BudgetFailure(Failed):
    """Fails a test by an explanation of its queries, without a traceback, as `pytest.fail(…, pytrace=False)` does."""

    def __init__(self, explanation: str) -> None:
        super().__init__(explanation, pytrace=False)


class _Terminal(Protocol):
    """What is used of pytest's writer, which knows --color, NO_COLOR and the terminal."""

    hasmarkup: bool

    def line(self, text: str) -> None: ...


class _Crash(NamedTuple):
    message: str


class Explanation:
    """What pytest asks of the `longrepr` of a report."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    @property
    def reprcrash(self) -> _Crash:
        """What the line of the summary and JUnit XML take for the message."""
        return _Crash(self.text)

    def toterminal(self, terminal: _Terminal) -> None:
        terminal.line(coloured(self.text) if terminal.hasmarkup else self.text)


def explain(report: pytest.TestReport, error: BaseException) -> None:
    """Mark the report of a failed test whose explanation may be coloured."""
    if isinstance(error, BudgetFailure):
        report.longrepr = str(error)
        vars(report)[MARK] = True


def colour(report: pytest.TestReport) -> None:
    """Let the explanation of a marked report be coloured by who shows it."""
    if getattr(report, MARK, False):
        report.longrepr = Explanation(str(report.longrepr))  # type: ignore[assignment] # pytest's own type is private
