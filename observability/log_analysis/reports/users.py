"""`logs users`: requests, failures and time by user."""

from observability.log_analysis.duckdb_views import LogDatabase, Row
from observability.log_analysis.formatting import format_milliseconds, format_number, format_percent, format_time
from observability.log_analysis.reports import Report, fetch_extent, limit_rows
from observability.log_analysis.terminal import TableColumn, Terminal, render_table
from observability.text import format_count

ORDERS = {"requests": "requests", "time": "time_ms", "errors": "errors", "queries": "query_total", "last": "last_seen"}
COLUMNS = ["user_id", "method", "route", "duration_ms", "status", "level", "query_count", "client", "sample_rate"]

GROUPED_REQUESTS = """
with lines as (select *, coalesce(sample_rate, 1) as weight from requests)
select user_id,
    sum(weight) as requests,
    coalesce(sum(weight) filter (status >= 500 or lower(level) in ('error', 'critical', 'fatal')), 0) as errors,
    coalesce(sum(weight) filter (status between 400 and 499), 0) as client_errors,
    sum(weight * duration_ms) as time_ms,
    max(duration_ms) as max_ms,
    sum(weight * query_count) as query_total,
    count(distinct client) as clients,
    mode(concat_ws(' ', method, route)) as busiest_route,
    max(time) as last_seen
from lines group by user_id
"""


def users(database: LogDatabase, terminal: Terminal, *, by: str, limit: int) -> Report:
    """Return a row for each user. All requests without a known user are one row."""
    database.load("requests", COLUMNS)
    rows = database.fetch_rows(GROUPED_REQUESTS)
    column = ORDERS[by]
    rows.sort(key=lambda row: str(row["user_id"]))
    rows.sort(key=lambda row: (row[column] is not None, row[column]), reverse=True)
    total_ms = sum(row["time_ms"] or 0 for row in rows)
    user_count = sum(row["user_id"] is not None for row in rows)
    extent = fetch_extent(database, "requests")
    rows, more = limit_rows(rows, limit)
    columns = _table_columns(total_ms, with_date=extent.has_several_days)
    summary = extent.describe("request", "requests", format_count(user_count, "user"))
    return Report(summary, rows, render_table(rows, columns, terminal) if rows else [], more)


def _table_columns(total_ms: float, *, with_date: bool) -> list[TableColumn]:
    def errors(row: Row) -> str:
        return format_number(row["errors"]) if row["errors"] else "-"

    def style(row: Row) -> tuple[str, ...]:
        return ("red",) if row["errors"] else ()

    return [
        TableColumn("user", lambda row: "(unknown)" if row["user_id"] is None else row["user_id"], is_text=True),
        TableColumn("requests", lambda row: format_number(row["requests"])),
        TableColumn("errors", errors, importance=1, style=style),
        TableColumn("4xx", lambda row: format_percent(row["client_errors"], row["requests"]), importance=4),
        TableColumn("queries", lambda row: format_number(row["query_total"]), importance=3),
        TableColumn("clients", lambda row: format_number(row["clients"]), importance=5),
        TableColumn("longest", lambda row: format_milliseconds(row["max_ms"]), importance=3),
        TableColumn("time", lambda row: format_milliseconds(row["time_ms"])),
        TableColumn("time share", lambda row: format_percent(row["time_ms"], total_ms), importance=2),
        TableColumn("last seen", lambda row: format_time(row["last_seen"], with_date=with_date), importance=2),
        TableColumn("busiest route", lambda row: row["busiest_route"] or "", importance=6, is_text=True),
    ]
