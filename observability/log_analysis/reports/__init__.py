"""The reports of `logs`: rows for programs, and lines for people.

Each report is a module with the name of its subcommand. This module has the types and functions that all reports use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from observability.log_analysis.duckdb_views import LogDatabase, Row
from observability.log_analysis.formatting import format_time_range, row_to_json
from observability.log_analysis.terminal import Output
from observability.text import format_count


@dataclass(frozen=True, slots=True)
class Report:
    """`summary` describes the data; `lines` show the `rows` as text; `omitted_count` counts the other rows."""

    summary: str
    rows: Sequence[Row]
    lines: Sequence[str]
    omitted_count: int = 0


class Extent(NamedTuple):
    """The amount of data, and the times of the first and the last line."""

    amount: float
    first: datetime | None
    last: datetime | None

    @property
    def has_several_days(self) -> bool:
        """Whether the lines are from several days, so that a time needs its date."""
        return self.first is not None and self.last is not None and self.first.date() != self.last.date()

    def describe(self, noun: str, plural: str, *details: str) -> str:
        """Return a sentence with the amount and its noun, the time range, and the details that are not empty."""
        if not self.amount or self.first is None or self.last is None:
            return f"No {plural}."
        amount = format_count(round(self.amount), noun, plural)
        return f"{', '.join([amount, format_time_range(self.first, self.last), *filter(None, details)])}."


def fetch_extent(database: LogDatabase, view: str, amount: str = "sum(coalesce(sample_rate, 1))") -> Extent:
    """Return the extent of a loaded view. By default a sampled line counts as the requests that it represents."""
    (row,) = database.fetch_rows(
        f"select coalesce({amount}, 0) as amount, min(time) as first, max(time) as last from {view}"
    )
    return Extent(row["amount"], row["first"], row["last"])


def limit_rows(rows: Sequence[Row], limit: int) -> tuple[list[Row], int]:
    """Return the first rows, and the number of the omitted rows. A limit of 0 means all rows."""
    return (list(rows[:limit]), max(0, len(rows) - limit)) if limit else (list(rows), 0)


def write_report(report: Report, output: Output, *, as_json: bool) -> None:
    """Write a report as text, or as one JSON object per row."""
    if as_json:
        for row in report.rows:
            output.write(row_to_json(row))
        return
    output.write(report.summary)
    if report.lines:
        output.write("")
    for line in report.lines:
        output.write(line)
    if report.omitted_count:
        output.write(f"… and {report.omitted_count:,} more: --limit 0 shows all.")
