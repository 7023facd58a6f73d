"""`logs statements`: the logged queries, grouped by fingerprint. The length of a list of values does not matter."""

from collections.abc import Iterator, Sequence

from observability.log_analysis.duckdb_views import LogDatabase, Row
from observability.log_analysis.formatting import INDENT, format_milliseconds, format_number
from observability.log_analysis.reports import Report, fetch_extent, limit_rows
from observability.log_analysis.terminal import (
    MIN_TEXT_WIDTH,
    TableColumn,
    Terminal,
    render_table,
    truncate_middle,
    wrap,
)
from observability.recorders.sql import fingerprint
from observability.text import escape_controls

ORDERS = {"time": "time_ms", "count": "queries", "p95": "p95_ms", "max": "max_ms"}
COLUMNS = ["event", "duration_ms", "statement", "file", "line", "function", "request_id"]

# The percentiles are of the logged queries only. If only slow queries are logged, they are percentiles of slow queries.
GROUPED_QUERIES = """
select f.fingerprint as statement,
    count(*) as queries,
    count(*) filter (event = 'slow_query') as slow,
    count(distinct request_id) as requests,
    sum(duration_ms) as time_ms,
    quantile_disc(duration_ms, 0.5) as p50_ms,
    quantile_disc(duration_ms, 0.95) as p95_ms,
    max(duration_ms) as max_ms,
    mode(file || ':' || line || coalesce(' ' || function, '')) as place,
    arg_max(request_id, duration_ms) as request_id
from statements join fingerprints f using (statement) group by f.fingerprint
"""
TABLE_COLUMNS = [
    TableColumn("queries", lambda row: format_number(row["queries"])),
    TableColumn("time", lambda row: format_milliseconds(row["time_ms"])),
    TableColumn("p50", lambda row: format_milliseconds(row["p50_ms"]), importance=3),
    TableColumn("p95", lambda row: format_milliseconds(row["p95_ms"]), importance=2),
    TableColumn("max", lambda row: format_milliseconds(row["max_ms"]), importance=1),
    TableColumn("requests", lambda row: format_number(row["requests"]), importance=4),
    TableColumn("source line", lambda row: row["place"] or "(package code)", is_text=True),
]
MAX_SQL_LINES = 3


def statements(database: LogDatabase, terminal: Terminal, *, by: str, limit: int) -> Report:
    """Return a row for each fingerprint, with the source line of most of its queries and its slowest request."""
    database.load("statements", COLUMNS)
    texts = [row["statement"] for row in database.fetch_rows("select distinct statement from statements")]
    database.connection.execute("create temp table fingerprints (statement VARCHAR, fingerprint VARCHAR)")
    if texts:
        database.connection.execute(
            "insert into fingerprints select unnest($1), unnest($2)", [texts, [fingerprint(text) for text in texts]]
        )
    rows = database.fetch_rows(GROUPED_QUERIES)
    rows.sort(key=lambda row: (-(row[ORDERS[by]] or 0), row["statement"]))
    extent = fetch_extent(database, "statements", "count(*)")
    slow_count = sum(row["slow"] for row in rows)
    slow_share = "all" if slow_count == extent.amount else format_number(slow_count)
    summary = extent.describe("logged query", "logged queries", f"{slow_share} of them slow")
    rows, more = limit_rows(rows, limit)
    return Report(summary, rows, [*_lines(rows, terminal)], more)


def _lines(rows: Sequence[Row], terminal: Terminal) -> Iterator[str]:
    if not rows:
        return
    heading, *lines = render_table(rows, TABLE_COLUMNS, terminal)
    yield heading
    for row, line in zip(rows, lines, strict=True):
        yield line
        statement = escape_controls(row["statement"])
        if terminal.width is None:
            yield f"{INDENT}{statement}"
        else:
            width = terminal.width - len(INDENT)
            shortened = truncate_middle(statement, MAX_SQL_LINES * (width - MIN_TEXT_WIDTH))
            yield from (f"{INDENT}{line}" for line in wrap(shortened, width))
