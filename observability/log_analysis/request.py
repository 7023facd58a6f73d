"""All that the files say of one request."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NamedTuple

from observability.log_analysis.columns import Columns
from observability.log_analysis.lines import Record, holding, parsed
from observability.log_analysis.mistake import ReadingError
from observability.log_analysis.numbers import items, milliseconds, number_of
from observability.log_analysis.record_line import INDENT, QUERIES, record_lines
from observability.log_analysis.snapshot import Log
from observability.log_analysis.terminal import Terminal, harmless
from observability.log_analysis.times import Span, time_of

SHORTEST_ID = 6
IDS = ("request_id", "trace_id")
SENTRY_ID = "sentry.event_id"
# The keys of the access line that stand above the lines.
TOLD_ABOVE = (
    "http.", "url.", "db.", "outgoing.", "client.", "user.", "user_agent.", "duration_ms", "error.type", "sentry.",
    "sample_rate",
)  # fmt: skip
TRANSACTIONS = {
    "none": "none",
    "committed": "committed",
    "rolled_back": "rolled back: nothing was stored",
}
ENDS = {"observability.command": "command", "observability.span": "span"}


class Work(NamedTuple):
    """What tells units of work apart: inbound ids may repeat, the span is ours."""

    request_id: str
    span_id: str


def find(logs: Sequence[Log], columns: Columns, span: Span, written: str) -> list[list[Record]]:
    """The records of each request, command or block of work with this id, by time.

    It is the one of `X-Request-ID`, the trace's or that of Sentry's event; its first digits are enough, six at least. A
    line that stands in two logs is there once. Raises ReadingError for what is no id.
    """
    if not re.fullmatch(rf"[A-Za-z0-9._-]{{{SHORTEST_ID},128}}", written):
        raise ReadingError(f"{written!r} is no id: letters, digits and . _ -, {SHORTEST_ID} of them at least.")
    works: dict[Work, list[Record]] = {}
    for record in _holding(logs, columns, span, written):
        if _begins(record, written, (*IDS, SENTRY_ID)):
            works.setdefault(_work_of(record), []).append(record)
    # Sentry's id stands in one line of the work alone.
    partial = {work for work, records in works.items() if not any(_begins(each, written, IDS) for each in records)}
    for request_id in {work.request_id for work in partial if work.request_id}:
        whole: dict[Work, list[Record]] = {}
        for record in _holding(logs, columns, span, request_id):
            whole.setdefault(_work_of(record), []).append(record)
        works |= {work: records for work, records in whole.items() if work in partial}
    for records in works.values():
        records.sort(key=lambda record: str(record["timestamp"]))
    return sorted(works.values(), key=lambda records: str(records[0]["timestamp"]))


def _holding(logs: Sequence[Log], columns: Columns, span: Span, text: str) -> Iterator[Record]:
    """The records of the span in whose lines the text stands, each once, also those behind a torn line."""
    segments = [segment for log in logs for segment in log.segments]
    needle = text.encode("utf-8", "replace")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda segment: list(holding(segment, needle)), segments))
    parsed_lines = (parsed(line, columns.time_key) for lines in found for line in lines)
    distinct = {json.dumps(record, sort_keys=True): record for record in parsed_lines if record}
    for record in map(columns.normalised, distinct.values()):
        if time_of(record["timestamp"]) in span:
            yield record


def _begins(record: Record, written: str, keys: Sequence[str]) -> bool:
    return any(str(record.get(key) or "").startswith(written) for key in keys)


def _work_of(record: Record) -> Work:
    request_id, span_id = record.get("request_id"), record.get("span_id")
    return Work(str(request_id or ""), str(span_id or ""))


def told(records: Sequence[Record], columns: Columns, terminal: Terminal) -> Iterator[str]:
    """One request: what came of it, then its lines in order, each with its time since the request began."""
    end = _end(records, columns)
    began = _began(records, end)
    yield terminal.styled(_heading(end or records[0], columns), "bold")
    for name, value in _facts(end or records[0]):
        yield f"  {terminal.styled(f'{name:<12}', 'dim')} {harmless(value)}"
    yield ""
    queries = [record for record in records if record.get("event") in QUERIES]
    for record in records:
        time = time_of(record["timestamp"])
        since_ms = (time - began).total_seconds() * 1000 if time and began else 0
        shown = _answer(record) if record is end and columns.is_request_record(record) else record
        yield from record_lines(shown, columns, terminal, moment=f"{since_ms:+10.1f} ms")
    missing = (number_of(end.get("db.query_count")) or 0) - len(queries) if end else 0
    if queries and missing > 0:
        yield f"{INDENT}{items(missing, 'more query', 'more queries')} ran that no line tells of."


def _answer(end: Record) -> Record:
    """What the line at the end of a request has beside what stands above the lines: what was noted."""
    noted = {key: value for key, value in end.items() if not key.startswith(TOLD_ABOVE)}
    return noted | {"event": f"answered {end.get('http.response.status_code')}", "logger": None}


def _end(records: Sequence[Record], columns: Columns) -> Record | None:
    """The line that was written at the end of the work."""
    return next((each for each in records if columns.is_request_record(each) or _is_end(each)), None)


def _is_end(record: Record) -> bool:
    """Whether a line is that of a command or of a block of work."""
    logger = record.get("logger")
    return isinstance(logger, str) and ENDS.get(logger, "") == record.get("event")


def _began(records: Sequence[Record], end: Record | None) -> datetime | None:
    if end is None:
        return time_of(records[0]["timestamp"])
    ended, duration_ms = time_of(end["timestamp"]), number_of(end.get("duration_ms"))
    try:
        return ended - timedelta(milliseconds=duration_ms or 0) if ended else None
    except OverflowError:
        return ended


def _heading(record: Record, columns: Columns) -> str:
    name = next((record[key] for key in ("command.name", "span.name") if record.get(key)), None)
    took = milliseconds(record.get("duration_ms"))
    if columns.is_request_record(record):
        status = record.get("http.response.status_code") or "no status"
        text = f"{record.get('http.request.method')} {record.get('url.path')}  {status} in {took}"
    elif name is not None:
        text = f"{record.get('event')} {name} in {took}"
    else:
        text = "Its end is in no line: it runs still, was killed, or its line is sampled or deleted."
    return harmless(text)


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    """What the line at the end says, as far as it says more than nothing."""
    yield "ended" if record.get("duration_ms") is not None else "time", str(record["timestamp"])
    yield "request id", str(record.get("request_id"))
    yield "trace", f"{record.get('trace_id')}, span {record.get('span_id')}"
    if record.get("http.route"):
        yield "route", str(record["http.route"])
    if (count := record.get("db.query_count")) is not None:
        repeated = number_of(record.get("db.repeated_count")) or 0
        often = f", one of them {repeated} times" if repeated > 1 else ""
        yield "queries", f"{count} in {milliseconds(record.get('db.duration_ms'))}{often}"
    if (transaction := record.get("db.transaction")) is not None:
        yield "transaction", TRANSACTIONS.get(str(transaction), str(transaction))
    if record.get("outgoing.count"):
        yield "calls", f"{record['outgoing.count']} in {milliseconds(record.get('outgoing.duration_ms'))}"
    if record.get("db.over_budget"):
        yield "budget", f"over: {record.get('db.query_budget')} queries are allowed"
    client = " ".join(str(record[key]) for key in ("client.address", "user_agent.original") if record.get(key))
    if client:
        yield "client", client
    if record.get("user.id") is not None:
        yield "user", str(record["user.id"])
    if record.get("error.type"):
        yield "error", str(record["error.type"])
    if record.get("sentry.event_id"):
        yield "sentry", f"event {record['sentry.event_id']}"
