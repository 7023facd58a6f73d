"""Requests by route, or by any other column: how many, how slow, how many of them failed, how many queries."""

from collections.abc import Mapping, Sequence

from observability.log_analysis.columns import quoted
from observability.log_analysis.database import Database, Row
from observability.log_analysis.mistake import ReadingError
from observability.log_analysis.numbers import clock, count, milliseconds, share
from observability.log_analysis.reports.report import Report, extent, ordered, spans_days, summary_of
from observability.log_analysis.table import Field, table
from observability.log_analysis.terminal import Terminal

# What a report is ordered by, and the column of it.
ORDERS = {
    "time": "time_ms",
    "requests": "requests",
    "errors": "errors",
    "queries": "queries",
    "p50": "p50_ms",
    "p95": "p95_ms",
    "p99": "p99_ms",
    "repeated": "repeated",
}
READ = ["duration_ms", "status", "level", "query_count", "db_ms", "repeated_count", "transaction", "sample_rate"]

# The line of a request that is sampled counts for many. A percentile is a value that there is: the smallest one that
# so many requests did not exceed.
GROUPED = """
with lines as (
    select {named}, coalesce(sample_rate, 1) as weight,
        time, duration_ms, status, level, query_count, db_ms, repeated_count, transaction
    from requests
), durations as (
    select {keys}, duration_ms, sum(weight) as weight from lines where duration_ms is not null group by all
), ranks as (
    select {keys}, duration_ms,
        sum(weight) over (partition by {keys} order by duration_ms rows unbounded preceding) as rank,
        sum(weight) over (partition by {keys}) as whole
    from durations
), percentiles as (
    select {keys},
        min(duration_ms) filter (100 * rank >= 50 * whole) as p50_ms,
        min(duration_ms) filter (100 * rank >= 95 * whole) as p95_ms,
        min(duration_ms) filter (100 * rank >= 99 * whole) as p99_ms,
        max(duration_ms) as max_ms
    from ranks group by all
), groups as (
    select {keys},
        sum(weight) as requests,
        coalesce(sum(weight) filter (status >= 500 or lower(level) in ('error', 'critical', 'fatal')), 0) as errors,
        coalesce(sum(weight) filter (status between 400 and 499), 0) as client_errors,
        sum(weight * duration_ms) as time_ms,
        sum(weight * query_count) as query_total,
        sum(weight * query_count) / sum(weight) filter (query_count is not null) as queries,
        max(repeated_count) as repeated,
        sum(weight * db_ms) as db_ms,
        coalesce(sum(weight) filter (transaction = 'rolled_back'), 0) as rolled_back,
        max(time) as last_seen
    from lines group by all
)
select groups.*, p50_ms, p95_ms, p99_ms, max_ms from groups left join percentiles on {same}
"""


def routes(database: Database, terminal: Terminal, *, by: str, limit: int, per: Sequence[str]) -> Report:
    """Groups of requests. `per` names columns; raises ReadingError for one that there is not."""
    # A key of the lines may have the name of what is counted here.
    groups = {_column(database, written): f"#{place}" for place, written in enumerate(per)}
    database.load("requests", [*READ, *groups])
    keys = ", ".join(map(quoted, groups.values()))
    named = ", ".join(f"{quoted(name)} as {quoted(group)}" for name, group in groups.items())
    # Null is a group, too: no route matched.
    same = " and ".join(f"groups.{key} is not distinct from percentiles.{key}" for key in map(quoted, groups.values()))
    rows = database.rows(GROUPED.format(keys=keys, named=named, same=same))
    order = ORDERS[by]
    rows.sort(key=lambda row: (-(row[order] or 0), *(str(row[group]) for group in groups.values())))
    found = extent(database, "requests")
    shown, more = ordered(rows, limit)
    fields = _fields(groups, sum(row["time_ms"] or 0 for row in rows), is_long=spans_days(found))
    lines = table(shown, fields, terminal) if shown else []
    return Report(summary_of("request", found, _rate(found)), [_values(row, groups) for row in shown], lines, more)


def _values(row: Row, groups: Mapping[str, str]) -> Row:
    """The row with its groups by their names; one that has the name of a number here is `extra.<name>`."""
    numbers = {key: value for key, value in row.items() if key not in groups.values()}
    return {name if name not in numbers else f"extra.{name}": row[group] for name, group in groups.items()} | numbers


def _rate(found: Row) -> str:
    seconds = (found["last"] - found["first"]).total_seconds() if found["amount"] else 0
    return f"{found['amount'] / seconds:.1f} a second" if seconds >= 1 else ""


def _column(database: Database, written: str) -> str:
    name = database.column_named(written)
    if name is None:
        raise ReadingError(f"No line has {written!r}, by which the requests are to be grouped.")
    return name


def _fields(groups: Mapping[str, str], total_ms: float, *, is_long: bool) -> list[Field]:
    is_by_route = list(groups) == ["method", "route"]

    def text(row: Row) -> str:
        values = [row[group] for group in groups.values()]
        if is_by_route:
            method, route = values
            return f"{method or '':<6} {route or '(no route)'}"
        return "  ".join("(none)" if value is None else str(value) for value in values)

    def of_errors(row: Row) -> tuple[str, ...]:
        return ("red",) if row["errors"] else ()

    return [
        Field("route" if is_by_route else ", ".join(groups), text, is_text=True),
        Field("requests", lambda row: count(row["requests"])),
        Field("errors", lambda row: count(row["errors"]) if row["errors"] else "-", importance=1, style=of_errors),
        Field("of all", lambda row: share(row["errors"], row["requests"]), importance=5, style=of_errors),
        Field("4xx", lambda row: share(row["client_errors"], row["requests"]), importance=4),
        Field("p50", lambda row: milliseconds(row["p50_ms"]), importance=2),
        Field("p95", lambda row: milliseconds(row["p95_ms"])),
        Field("p99", lambda row: milliseconds(row["p99_ms"]), importance=3),
        Field("max", lambda row: milliseconds(row["max_ms"]), importance=6),
        Field("queries", lambda row: "" if row["queries"] is None else f"{row['queries']:.1f}", importance=3),
        Field("repeated", lambda row: count(row["repeated"]), importance=6),
        Field("in db", lambda row: share(row["db_ms"], row["time_ms"]), importance=5),
        Field("rolled back", lambda row: share(row["rolled_back"], row["requests"]), importance=8),
        Field("last", lambda row: clock(row["last_seen"], with_date=is_long), importance=9),
        Field("time", lambda row: share(row["time_ms"], total_ms), importance=2),
    ]
