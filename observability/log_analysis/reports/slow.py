"""`logs slow`: the slowest requests, one by one."""

from observability.log_analysis.duckdb_views import LogDatabase, Row
from observability.log_analysis.formatting import format_milliseconds, format_number, format_time
from observability.log_analysis.reports import Report, fetch_extent
from observability.log_analysis.terminal import TableColumn, Terminal, render_table

ORDERS = {
    "time": "duration_ms",
    "queries": "query_count",
    "db": "db_ms",
    "repeated": "repeated_count",
    "size": "body_bytes",
}
COLUMNS = [
    "method", "route", "path", "status", "duration_ms", "query_count", "db_ms", "repeated_count", "transaction",
    "outgoing_ms", "user_id", "body_bytes", "error_type", "request_id",
]  # fmt: skip


def slow(database: LogDatabase, terminal: Terminal, *, by: str, limit: int) -> Report:
    """Return the requests with the highest value of `by`."""
    database.load("requests", [*COLUMNS, "sample_rate"])
    extent = fetch_extent(database, "requests")
    order, limited = ORDERS[by], f"limit {limit:d}" if limit else ""
    rows = database.fetch_rows(
        f"select time, {', '.join(COLUMNS)} from requests where {order} is not null"
        f" order by {order} desc, time {limited}"
    )
    columns = _table_columns(with_date=extent.has_several_days)
    return Report(extent.describe("request", "requests"), rows, render_table(rows, columns, terminal) if rows else [])


def _table_columns(*, with_date: bool) -> list[TableColumn]:
    def style(row: Row) -> tuple[str, ...]:
        return ("red",) if (row["status"] or 0) >= 500 else ()  # noqa: PLR2004

    def outgoing(row: Row) -> str:
        return format_milliseconds(row["outgoing_ms"]) if row["outgoing_ms"] else ""

    return [
        TableColumn("time", lambda row: format_time(row["time"], with_date=with_date), importance=2),
        TableColumn("duration", lambda row: format_milliseconds(row["duration_ms"])),
        TableColumn("queries", lambda row: format_number(row["query_count"]), importance=2),
        TableColumn("db time", lambda row: format_milliseconds(row["db_ms"]), importance=3),
        TableColumn("repeated", lambda row: format_number(row["repeated_count"]), importance=4),
        TableColumn("outgoing", outgoing, importance=5),
        TableColumn("bytes", lambda row: format_number(row["body_bytes"]), importance=6),
        TableColumn("status", lambda row: str(row["status"] or ""), importance=1, style=style),
        TableColumn("request", lambda row: f"{row['method'] or ''} {row['path'] or row['route'] or ''}", is_text=True),
        TableColumn("user", lambda row: str(row["user_id"] or ""), importance=7),
        # 12 digits are enough for `logs request`, and they fit.
        TableColumn("request id", lambda row: (row["request_id"] or "")[:12]),
    ]
