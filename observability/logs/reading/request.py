"""All that the files say of one request."""

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from observability.logs.reading.columns import Columns
from observability.logs.reading.lines import Record, holding, parsed
from observability.logs.reading.mistake import ReadingError
from observability.logs.reading.numbers import items, milliseconds
from observability.logs.reading.record_line import INDENT, QUERIES, record_lines
from observability.logs.reading.segments import Log
from observability.logs.reading.terminal import Terminal, harmless
from observability.logs.reading.times import Span, time_of

SHORTEST_ID = 6
IDS = ("request_id", "trace_id", "sentry.event_id")
TRANSACTIONS = {
    "none": "none",
    "committed": "committed",
    "rolled_back": "rolled back: nothing was stored",
}
# Inbound ids may repeat; the span is ours.
SPAN = "span_id"


def find(logs: Sequence[Log], columns: Columns, span: Span, written: str) -> list[list[Record]]:
    """The records of each request, command or block of work with this id, by time.

    It is the one of `X-Request-ID`, the trace's or that of Sentry's event; its first digits are enough, six at least. A
    line that stands in two logs is there once. Raises ReadingError for what is no id.
    """
    if not re.fullmatch(rf"[A-Za-z0-9._-]{{{SHORTEST_ID},128}}", written):
        raise ReadingError(f"{written!r} is no id: letters, digits and . _ -, {SHORTEST_ID} of them at least.")
    segments = [segment for log in logs for segment in log.segments]
    needle = written.encode()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda segment: list(holding(segment, needle)), segments)
        lines = dict.fromkeys(line for each in found for line in each)
    works: dict[tuple[object, object], list[Record]] = {}
    for line in lines:
        record = parsed(line, columns.time_key)
        record = columns.normalised(record) if record else {}
        if _begins(record, written, IDS) and time_of(record["timestamp"]) in span:
            works.setdefault((record.get("request_id"), record.get(SPAN)), []).append(record)
    if works and not any(_begins(record, written, IDS[:2]) for records in works.values() for record in records):
        # Sentry's id stands in one line of the work alone.
        others = [work for request_id, _ in works for work in find(logs, columns, span, str(request_id))]
        return [work for work in others if (work[0].get("request_id"), work[0].get(SPAN)) in works]
    for records in works.values():
        records.sort(key=lambda record: str(record["timestamp"]))
    return sorted(works.values(), key=lambda records: str(records[0]["timestamp"]))


def _begins(record: Record, written: str, keys: Sequence[str]) -> bool:
    return any(str(record.get(key) or "").startswith(written) for key in keys)


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
        yield from record_lines(record, columns, terminal, moment=f"{since_ms:+10.1f} ms")
    if queries and end is not None and end.get("db.query_count"):
        missing = int(end["db.query_count"]) - len(queries)
        yield (
            f"{INDENT}{items(missing, 'more query', 'more queries')} ran that no line tells of." if missing > 0 else ""
        )


def _end(records: Sequence[Record], columns: Columns) -> Record | None:
    """The line that was written at the end of the work."""
    return next(
        (each for each in records if columns.is_request_record(each) or each.get("event") in {"command", "work"}), None
    )


def _began(records: Sequence[Record], end: Record | None) -> datetime | None:
    if end is None:
        return time_of(records[0]["timestamp"])
    ended, duration_ms = time_of(end["timestamp"]), end.get("duration_ms")
    if ended is None or not isinstance(duration_ms, int | float):
        return ended
    return ended - timedelta(milliseconds=duration_ms)


def _heading(record: Record, columns: Columns) -> str:
    name = next((record[key] for key in ("command.name", "work.name") if record.get(key)), None)
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
    yield "trace", f"{record.get('trace_id')}, span {record.get(SPAN)}"
    if record.get("http.route"):
        yield "route", str(record["http.route"])
    if (count := record.get("db.query_count")) is not None:
        repeated = record.get("db.repeated_count") or 0
        often = f", one of them {repeated} times" if repeated > 1 else ""
        yield "queries", f"{count} in {milliseconds(record.get('db.duration_ms'))}{often}"
    if (transaction := record.get("db.transaction")) is not None:
        yield "transaction", TRANSACTIONS.get(transaction, str(transaction))
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
