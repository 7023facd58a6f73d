"""Who uses the service: requests, failures and time by user."""

from observability.log_analysis.database import Database, Row
from observability.log_analysis.numbers import clock, count, items, milliseconds, share
from observability.log_analysis.reports.report import Report, extent, ordered, spans_days, summary_of
from observability.log_analysis.table import Field, table
from observability.log_analysis.terminal import Terminal

ORDERS = {"requests": "requests", "time": "time_ms", "errors": "errors", "queries": "query_total", "last": "last_seen"}
READ = ["user_id", "method", "route", "duration_ms", "status", "level", "query_count", "client", "sample_rate"]

GROUPED = """
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


def users(database: Database, terminal: Terminal, *, by: str, limit: int) -> Report:
    """A row for each user; those of whom nobody asked who they are are one."""
    database.load("requests", READ)
    rows = database.rows(GROUPED)
    column = ORDERS[by]
    rows.sort(key=lambda row: str(row["user_id"]))
    rows.sort(key=lambda row: (row[column] is not None, row[column]), reverse=True)
    found = extent(database, "requests")
    who = items(sum(row["user_id"] is not None for row in rows), "user")
    shown, more = ordered(rows, limit)
    fields = _fields(sum(row["time_ms"] or 0 for row in rows), is_long=spans_days(found))
    return Report(summary_of("request", found, who), shown, table(shown, fields, terminal) if shown else [], more)


def _fields(total_ms: float, *, is_long: bool) -> list[Field]:
    def style(row: Row) -> tuple[str, ...]:
        return ("red",) if row["errors"] else ()

    return [
        Field("user", lambda row: "(not known)" if row["user_id"] is None else row["user_id"], is_text=True),
        Field("requests", lambda row: count(row["requests"])),
        Field("errors", lambda row: count(row["errors"]) if row["errors"] else "-", importance=1, style=style),
        Field("4xx", lambda row: share(row["client_errors"], row["requests"]), importance=4),
        Field("queries", lambda row: count(row["query_total"]), importance=3),
        Field("clients", lambda row: count(row["clients"]), importance=5),
        Field("longest", lambda row: milliseconds(row["max_ms"]), importance=3),
        Field("time", lambda row: milliseconds(row["time_ms"])),
        Field("of all", lambda row: share(row["time_ms"], total_ms), importance=2),
        Field("last", lambda row: clock(row["last_seen"], with_date=is_long), importance=2),
        Field("most of them", lambda row: row["busiest_route"] or "", importance=6, is_text=True),
    ]
