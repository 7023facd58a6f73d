"""The slowest requests, one by one."""

from observability.log_analysis.database import Database, Row
from observability.log_analysis.numbers import clock, count, milliseconds
from observability.log_analysis.reports.report import Report, extent, spans_days, summary_of
from observability.log_analysis.table import Field, table
from observability.log_analysis.terminal import Terminal

ORDERS = {
    "time": "duration_ms",
    "queries": "query_count",
    "db": "db_ms",
    "repeated": "repeated_count",
    "size": "body_bytes",
}
READ = [
    "method", "route", "path", "status", "duration_ms", "query_count", "db_ms", "repeated_count", "transaction",
    "outgoing_ms", "user_id", "body_bytes", "error_type", "request_id", "sample_rate",
]  # fmt: skip


def slow(database: Database, terminal: Terminal, *, by: str, limit: int) -> Report:
    """The requests that took most of what `by` names."""
    database.load("requests", READ)
    found = extent(database, "requests")
    limited = f"limit {int(limit)}" if limit else ""
    columns = ", ".join(["time", *READ[:-1]])
    rows = database.rows(
        f"select {columns} from requests where {ORDERS[by]} is not null order by {ORDERS[by]} desc, time {limited}"
    )
    lines = table(rows, _fields(is_long=spans_days(found)), terminal) if rows else []
    return Report(summary_of("request", found), rows, lines)


def _fields(*, is_long: bool) -> list[Field]:
    def style(row: Row) -> tuple[str, ...]:
        return ("red",) if (row["status"] or 0) >= 500 else ()  # noqa: PLR2004

    return [
        Field("time", lambda row: clock(row["time"], with_date=is_long), importance=2),
        Field("took", lambda row: milliseconds(row["duration_ms"])),
        Field("queries", lambda row: count(row["query_count"]), importance=2),
        Field("in db", lambda row: milliseconds(row["db_ms"]), importance=3),
        Field("repeated", lambda row: count(row["repeated_count"]), importance=4),
        Field("calls", lambda row: milliseconds(row["outgoing_ms"]) if row["outgoing_ms"] else "", importance=5),
        Field("bytes", lambda row: count(row["body_bytes"]), importance=6),
        Field("status", lambda row: str(row["status"] or ""), importance=1, style=style),
        Field("request", lambda row: f"{row['method'] or ''} {row['path'] or row['route'] or ''}", is_text=True),
        Field("user", lambda row: str(row["user_id"] or ""), importance=7),
        # As many of its digits as tell a request from the others, and fit beside the rest.
        Field("request id", lambda row: (row["request_id"] or "")[:12]),
    ]
