"""What failed, by the type of the exception and the place where it was raised."""

import re
from collections.abc import Iterator, Sequence

from observability.log_analysis.database import Database, Row
from observability.log_analysis.numbers import count, items, span
from observability.log_analysis.reports.report import Report, extent, ordered, summary_of
from observability.log_analysis.terminal import Terminal, beginning, cut, harmless

ORDERS = {"count": "failures", "last": "last_seen", "first": "first_seen"}
READ = [
    "level", "logger", "event", "request_id", "span_id", "method", "route", "path", "status", "error_type",
    "sentry_event_id", "exception_type", "exception_message", "stacktrace",
]  # fmt: skip

FAILED = "lower(level) in ('error', 'critical', 'fatal')"

# The frames of a traceback stand from the outermost to the innermost, its causes before it.
# The line at the end of the work repeats what a record of the same work told already, or one of the work around it
# about the same exception. What Django says of an answer of 500 and above says less than the line at the end.
GROUPED = r"""
with failed as (
    select *,
        logger in ('observability.access', 'observability.command', 'observability.span') is true as is_end,
        (logger = 'django.request') is true as is_django
    from records
), ends as (
    select * from failed where is_end
), told as (
    select *, regexp_extract_all(coalesce(stacktrace, ''), 'File "[^"\n]+", line \d+, in [^\n]+') as frames
    from failed
    where exception_type is not null or not (
        (is_end and exists (
            select 1 from failed other where other.request_id = failed.request_id and (
                other.span_id = failed.span_id and not other.is_end
                    and (other.exception_type is not null or not other.is_django)
                or other.exception_type = failed.error_type
            )
        ))
        or (is_django and exists (
            select 1 from ends where ends.request_id = failed.request_id and ends.span_id = failed.span_id
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
    ) as place from told
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
select grouped.* exclude (route, span_id), ends.method, coalesce(ends.route, ends.path) as route, ends.status,
    ends.sentry_event_id
from grouped left join ends using (request_id, span_id)
"""
_frame = re.compile(r'File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<function>.+)')
SHOWN_PARTS = 3


def errors(database: Database, terminal: Terminal, *, by: str, limit: int) -> Report:
    """A row for each kind of failure, with the newest one as the example."""
    database.load("records", READ, FAILED)
    rows = [row | {"place": _place(row["place"])} for row in database.rows(GROUPED)]
    rows.sort(key=lambda row: (row[ORDERS[by]], row["last_seen"]), reverse=True)
    failures = sum(row["failures"] for row in rows)
    found = extent(database, "records", "count(*)") | {"amount": failures}
    summary = summary_of("failure", found, f"of {items(len(rows), 'kind')}")
    shown, more = ordered(rows, limit)
    return Report(summary, shown, [*_lines(shown, terminal)], more)


def _place(frame: str | None) -> str | None:
    """A frame of a traceback as `shop/orders/views.py:12 get`; of a longer path its last parts."""
    match = _frame.fullmatch(frame or "")
    if match is None:
        return None
    parts = [part for part in re.split(r"[\\/]", match["path"]) if part]
    return f"{'/'.join(parts[-SHOWN_PARTS:])}:{match['line']} {match['function']}"


def _lines(rows: Sequence[Row], terminal: Terminal) -> Iterator[str]:
    width = max((len(count(row["failures"])) for row in rows), default=0)
    room = None if terminal.width is None else terminal.width - width - 2
    for row in rows:
        number = terminal.styled(f"{count(row['failures']):>{width}}", "bold")
        first, *others = _told(row)
        yield f"{number}  {terminal.styled(cut(harmless(first), room), 'red')}"
        for line in others:
            yield f"{' ' * (width + 2)}{cut(harmless(line), room)}"
        if row["request_id"]:
            # The first digits of an id are enough to find it.
            advice = f"logs request {harmless(row['request_id'])}"
            advice = advice if room is None else beginning(advice, room)
            yield f"{' ' * (width + 2)}{terminal.styled(advice, 'cyan')}"
        yield ""


def _told(row: Row) -> Iterator[str]:
    """What a person wants to know of one kind, the heading first."""
    if row["exception_type"]:
        yield f"{row['exception_type']}  {row['place'] or ''}".rstrip()
    elif row["event"] == "request":
        yield f"status {row['status']}, and no line says why"
    else:
        yield f"{row['message'] or row['event']}  [{row['logger']}]"
    message = (row["message"] or "").partition("\n")[0]
    if row["exception_type"] and message and message != "request":
        yield message
    if row["route"]:
        yield f"{row['method']} {row['route']}"
    in_requests = f", in {items(row['requests'], 'request')}" if row["requests"] > 1 else ""
    yield f"{span(row['first_seen'], row['last_seen'])}{in_requests}"
