"""The failure message of a test."""

import pytest

from observability.budgets.failure_message import (
    REPORT_ATTRIBUTE,
    BudgetFailure,
    QueryEntry,
    enable_colors,
    format_queries,
)
from observability.budgets.query_collector import Query
from observability.recorders.query_origin import UNKNOWN_ORIGIN

TABLES = "SELECT a FROM " + " INNER JOIN ".join(f"table_{number} ON (a = b)" for number in range(9))


@pytest.mark.parametrize("fingerprint", ["SELECT a FROM b", TABLES])
@pytest.mark.parametrize("times", ["3x", "2, 3, 10x"])
def test_other_database_is_named_within_the_width_of_the_terminal(
    fingerprint: str, times: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = format_queries([QueryEntry(Query(fingerprint, "other", UNKNOWN_ORIGIN), times)])
    assert max(map(len, lines)) <= 80
    assert lines[-1].endswith(" (database other)")


def test_message_has_no_control_character_in_the_terminal() -> None:
    message = "GET /\x1b[2J/\x9b31m ran 2 queries\n  SELECT \u202e\x07"
    shown = "GET /\\x1b[2J/\\x9b31m ran 2 queries\n  SELECT \\u202e\\x07"
    assert str(BudgetFailure(message)) == shown
    report = pytest.TestReport("a", ("a", None, "a"), {}, "failed", message, "call")
    vars(report)[REPORT_ATTRIBUTE] = True
    enable_colors(report)
    assert str(report.longrepr) == shown
