"""`logs top`: requests by route or by other columns, with their count, durations, failures and queries."""

from collections.abc import Mapping, Sequence

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.columns import quote_name
from observability.log_analysis.duckdb_views import LogDatabase, Row
from observability.log_analysis.formatting import format_milliseconds, format_number, format_percent, format_time
from observability.log_analysis.reports import Extent, Report, fetch_extent, limit_rows
from observability.log_analysis.terminal import TableColumn, Terminal, render_table

# The values of --by, each with its column.
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
DEFAULT_GROUPS = ("method", "route")
COLUMNS = ["duration_ms", "status", "level", "query_count", "db_ms", "repeated_count", "transaction", "sample_rate"]

# A sampled line counts as the requests that it represents. The p95 is the smallest logged duration that at least 95 %
# of the requests do not exceed. It is not interpolated.
GROUPED_REQUESTS = """
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


def top(
    database: LogDatabase, terminal: Terminal, *, by: str, limit: int, per: Sequence[str] = DEFAULT_GROUPS
) -> Report:
    """Return a row for each group of requests. `per` names columns. Raises LogAnalysisError for an unknown column."""
    # The groups get names such as `#0`, because a log key may have the name of another column of this report.
    groups = {_find_column(database, text): f"#{place}" for place, text in enumerate(per)}
    database.load("requests", [*COLUMNS, *groups])
    keys = ", ".join(map(quote_name, groups.values()))
    named = ", ".join(f"{quote_name(name)} as {quote_name(group)}" for name, group in groups.items())
    # Null is a group too: the requests without a route.
    same = " and ".join(
        f"groups.{key} is not distinct from percentiles.{key}" for key in map(quote_name, groups.values())
    )
    rows = database.fetch_rows(GROUPED_REQUESTS.format(keys=keys, named=named, same=same))
    order = ORDERS[by]
    rows.sort(key=lambda row: (-(row[order] or 0), *(str(row[group]) for group in groups.values())))
    total_ms = sum(row["time_ms"] or 0 for row in rows)
    extent = fetch_extent(database, "requests")
    rows, more = limit_rows(rows, limit)
    columns = _table_columns(groups, total_ms, with_date=extent.has_several_days)
    lines = render_table(rows, columns, terminal) if rows else []
    summary = extent.describe("request", "requests", _rate(extent))
    return Report(summary, [_rename_groups(row, groups) for row in rows], lines, more)


def _find_column(database: LogDatabase, text: str) -> str:
    name = database.find_column(text)
    if name is None:
        raise LogAnalysisError(
            f"--per is {text!r}, which is not a column, and no line has this key. `logs sql` lists the columns."
        )
    return name


def _rename_groups(row: Row, groups: Mapping[str, str]) -> Row:
    """Return the row with the names of its groups; `extra.<name>` if another column of the report has this name."""
    numbers = {key: value for key, value in row.items() if key not in groups.values()}
    return {name if name not in numbers else f"extra.{name}": row[group] for name, group in groups.items()} | numbers


def _rate(extent: Extent) -> str:
    if extent.first is None or extent.last is None:
        return ""
    seconds = (extent.last - extent.first).total_seconds()
    return f"{extent.amount / seconds:.1f} per second" if seconds >= 1 else ""


def _table_columns(groups: Mapping[str, str], total_ms: float, *, with_date: bool) -> list[TableColumn]:
    is_by_route = tuple(groups) == DEFAULT_GROUPS

    def text(row: Row) -> str:
        values = [row[group] for group in groups.values()]
        if is_by_route:
            method, route = values
            return f"{method or '':<6} {route or '(no route)'}"
        return "  ".join("(none)" if value is None else str(value) for value in values)

    def style(row: Row) -> tuple[str, ...]:
        return ("red",) if row["errors"] else ()

    return [
        TableColumn("route" if is_by_route else ", ".join(groups), text, is_text=True),
        TableColumn("requests", lambda row: format_number(row["requests"])),
        TableColumn(
            "errors", lambda row: format_number(row["errors"]) if row["errors"] else "-", importance=1, style=style
        ),
        TableColumn(
            "error rate", lambda row: format_percent(row["errors"], row["requests"]), importance=5, style=style
        ),
        TableColumn("4xx", lambda row: format_percent(row["client_errors"], row["requests"]), importance=4),
        TableColumn("p50", lambda row: format_milliseconds(row["p50_ms"]), importance=2),
        TableColumn("p95", lambda row: format_milliseconds(row["p95_ms"])),
        TableColumn("p99", lambda row: format_milliseconds(row["p99_ms"]), importance=3),
        TableColumn("max", lambda row: format_milliseconds(row["max_ms"]), importance=6),
        TableColumn("queries", lambda row: "" if row["queries"] is None else f"{row['queries']:.1f}", importance=3),
        TableColumn("repeated", lambda row: format_number(row["repeated"]), importance=6),
        TableColumn("db time", lambda row: format_percent(row["db_ms"], row["time_ms"]), importance=5),
        TableColumn("rolled back", lambda row: format_percent(row["rolled_back"], row["requests"]), importance=8),
        TableColumn("last seen", lambda row: format_time(row["last_seen"], with_date=with_date), importance=9),
        TableColumn("time share", lambda row: format_percent(row["time_ms"], total_ms), importance=2),
    ]
