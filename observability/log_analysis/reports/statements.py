"""The statements of the logged queries, those that differ in how many values they carry as one."""

from collections.abc import Iterator, Sequence

from observability.log_analysis.database import Database, Row
from observability.log_analysis.numbers import count, milliseconds
from observability.log_analysis.reports.report import Report, extent, ordered, summary_of
from observability.log_analysis.table import LEAST_TEXT, Field, table
from observability.log_analysis.terminal import Terminal, cut, harmless, wrapped
from observability.recorders.sql import fingerprint

ORDERS = {"time": "time_ms", "count": "queries", "p95": "p95_ms", "max": "max_ms"}
READ = ["event", "duration_ms", "statement", "file", "line", "function", "request_id"]

# Percentiles here are of what was logged: where that is slow queries alone, of these.
GROUPED = """
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


FIELDS = [
    Field("queries", lambda row: count(row["queries"])),
    Field("time", lambda row: milliseconds(row["time_ms"])),
    Field("p50", lambda row: milliseconds(row["p50_ms"]), importance=3),
    Field("p95", lambda row: milliseconds(row["p95_ms"]), importance=2),
    Field("max", lambda row: milliseconds(row["max_ms"]), importance=1),
    Field("requests", lambda row: count(row["requests"]), importance=4),
    Field("place", lambda row: row["place"] or "in packages", is_text=True),
]
INDENT = "    "
SHOWN_LINES = 3


def statements(database: Database, terminal: Terminal, *, by: str, limit: int) -> Report:
    """A row for each fingerprint, with the line of code that caused most of its queries and its slowest request."""
    database.load("statements", READ)
    texts = [row["statement"] for row in database.rows("select distinct statement from statements")]
    database.connection.execute("create temp table fingerprints (statement VARCHAR, fingerprint VARCHAR)")
    if texts:
        database.connection.execute(
            "insert into fingerprints select unnest($1), unnest($2)", [texts, [fingerprint(text) for text in texts]]
        )
    rows = database.rows(GROUPED)
    rows.sort(key=lambda row: (-(row[ORDERS[by]] or 0), row["statement"]))
    found = extent(database, "statements", "count(*)")
    slow_count = sum(row["slow"] for row in rows)
    kind = "all of them slow" if slow_count == found["amount"] else f"{count(slow_count)} of them slow"
    shown, more = ordered(rows, limit)
    return Report(summary_of("logged query/logged queries", found, kind), shown, [*_lines(shown, terminal)], more)


def _lines(rows: Sequence[Row], terminal: Terminal) -> Iterator[str]:
    if not rows:
        return
    heading, *texts = table(rows, FIELDS, terminal)
    yield heading
    for row, text in zip(rows, texts, strict=True):
        yield text
        statement = harmless(row["statement"])
        if terminal.width is None:
            yield f"{INDENT}{statement}"
        else:
            width = terminal.width - len(INDENT)
            yield from (
                f"{INDENT}{line}" for line in wrapped(cut(statement, SHOWN_LINES * (width - LEAST_TEXT)), width)
            )
