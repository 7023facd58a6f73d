"""`logs errors`: failures by exception type and by the source line that raised it."""

import re
from collections.abc import Iterator, Sequence

from observability.log_analysis.columns import quote_text
from observability.log_analysis.duckdb_views import LogDatabase, Row
from observability.log_analysis.formatting import format_number, format_time_range
from observability.log_analysis.reports import Extent, Report, limit_rows
from observability.log_analysis.terminal import Terminal, truncate_end, truncate_middle
from observability.text import escape_controls, format_count

ORDERS = {"count": "failures", "last": "last_seen", "first": "first_seen"}
# The event of the records of `manage.py logging --probe`.
PROBE_EVENT = "logging_probe"
COLUMNS = [
    "level", "logger", "event", "request_id", "span_id", "method", "route", "path", "status", "error_type",
    "sentry_event_id", "exception_type", "exception_message", "stacktrace",
]  # fmt: skip

# The records of `manage.py logging --probe` are tests of the logging configuration, not failures.
FAILED = f"lower(level) in ('error', 'critical', 'fatal') and event is distinct from {quote_text(PROBE_EVENT)}"

# A traceback lists its frames from the outermost to the innermost, after the frames of its cause.
# Each failure is counted once. A completion record is left out if another record of the same observation reports its
# error, or if a record of the same request has its exception. Django's record of a 5xx response is left out if there is
# a completion record, which has more keys.
GROUPED_FAILURES = r"""
with failed as (
    select *,
        logger in ('observability.access', 'observability.command', 'observability.span') is true as is_completion,
        (logger = 'django.request') is true as is_django
    from records
), completions as (
    select * from failed where is_completion
), distinct_failures as (
    select *, regexp_extract_all(coalesce(stacktrace, ''), 'File "[^"\n]+", line \d+, in [^\n]+') as frames
    from failed
    where exception_type is not null or not (
        (is_completion and exists (
            select 1 from failed other where other.request_id = failed.request_id and (
                other.span_id = failed.span_id and not other.is_completion
                    and (other.exception_type is not null or not other.is_django)
                or other.exception_type = failed.error_type
            )
        ))
        or (is_django and exists (
            select 1 from completions
            where completions.request_id = failed.request_id and completions.span_id = failed.span_id
        ))
    )
), placed as (
    select *, coalesce(
        list_filter(
            frames, lambda frame: not regexp_matches(
                frame, '[\\/](site|dist)-packages[\\/]|[\\/]python3\.|"<frozen '
            )
        )[-1],
        frames[-1]
    ) as place from distinct_failures
), grouped as (
    select
        coalesce(exception_type, error_type) as exception_type,
        place,
        case when coalesce(exception_type, error_type) is null then logger end as logger,
        case when coalesce(exception_type, error_type) is null then event end as event,
        case when coalesce(exception_type, error_type) is null and event = 'request' then route end as route,
        count(*) as failures,
        count(distinct request_id) as requests,
        min(time) as first_seen,
        max(time) as last_seen,
        arg_max(coalesce(exception_message, event), time) as message,
        arg_max(request_id, time) as request_id,
        arg_max(span_id, time) as span_id
    from placed group by 1, 2, 3, 4, 5
)
select grouped.* exclude (route, span_id), completions.method,
    coalesce(completions.route, completions.path) as route, completions.status, completions.sentry_event_id
from grouped left join completions using (request_id, span_id)
"""
_frame = re.compile(r'File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<function>.+)')
MAX_PATH_PARTS = 3


def errors(database: LogDatabase, terminal: Terminal, *, by: str, limit: int) -> Report:
    """Return a row for each kind of failure, with its newest failure as the example."""
    database.load("records", COLUMNS, FAILED)
    rows = [row | {"place": _place(row["place"])} for row in database.fetch_rows(GROUPED_FAILURES)]
    rows.sort(key=lambda row: (row[ORDERS[by]], row["last_seen"]), reverse=True)
    extent = Extent(
        sum(row["failures"] for row in rows),
        min((row["first_seen"] for row in rows), default=None),
        max((row["last_seen"] for row in rows), default=None),
    )
    summary = extent.describe("failure", "failures", f"of {format_count(len(rows), 'kind')}")
    rows, more = limit_rows(rows, limit)
    return Report(summary, rows, [*_lines(rows, terminal)], more)


def _place(frame: str | None) -> str | None:
    """Return a frame of a traceback as `shop/orders/views.py:12 get`: the last parts of its path, line and function."""
    match = _frame.fullmatch(frame or "")
    if match is None:
        return None
    parts = [part for part in re.split(r"[\\/]", match["path"]) if part]
    return f"{'/'.join(parts[-MAX_PATH_PARTS:])}:{match['line']} {match['function']}"


def _lines(rows: Sequence[Row], terminal: Terminal) -> Iterator[str]:
    number_width = max((len(format_number(row["failures"])) for row in rows), default=0)
    indent = " " * (number_width + 2)
    width = None if terminal.width is None else terminal.width - len(indent)
    for row in rows:
        number = terminal.style(f"{format_number(row['failures']):>{number_width}}", "bold")
        first, *others = _describe(row)
        yield f"{number}  {terminal.style(truncate_middle(escape_controls(first), width), 'red')}"
        for line in others:
            yield f"{indent}{truncate_middle(escape_controls(line), width)}"
        if row["request_id"]:
            # The first digits of an id are enough to find it.
            command = f"{terminal.program} request {escape_controls(row['request_id'])}"
            command = command if width is None else truncate_end(command, width)
            yield f"{indent}{terminal.style(command, 'cyan')}"
        yield ""


def _describe(row: Row) -> Iterator[str]:
    """Yield the lines about one kind of failure, heading first."""
    if row["exception_type"]:
        yield f"{row['exception_type']}  {row['place'] or ''}".rstrip()
    elif row["event"] == "request":
        yield f"status {row['status']} without a logged exception"
    else:
        yield f"{row['message'] or row['event']}  [{row['logger']}]"
    message = (row["message"] or "").partition("\n")[0]
    if row["exception_type"] and message and message != "request":
        yield message
    if row["route"]:
        yield f"{row['method']} {row['route']}"
    in_requests = f", in {format_count(row['requests'], 'request')}" if row["requests"] > 1 else ""
    yield f"{format_time_range(row['first_seen'], row['last_seen'])}{in_requests}"
