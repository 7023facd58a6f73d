"""`logs request ID`: a summary of one request, command or span, and all its lines."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NamedTuple

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.columns import Columns
from observability.log_analysis.formatting import (
    INDENT,
    QUERY_EVENTS,
    finite_number,
    format_milliseconds,
    format_record,
)
from observability.log_analysis.lines import Record, find_lines, parse_line, to_json
from observability.log_analysis.log_files import Log
from observability.log_analysis.options import Options
from observability.log_analysis.terminal import Output, Terminal
from observability.log_analysis.times import TimeRange, parse_timestamp
from observability.text import escape_controls, format_count

MIN_ID_LENGTH = 6
ID_KEYS = ("request_id", "trace_id")
SENTRY_ID_KEY = "sentry.event_id"
# Prefixes of the keys of the access log line that the summary shows.
SUMMARY_PREFIXES = (
    "http.", "url.", "db.", "outgoing.", "client.", "user.", "user_agent.", "duration_ms", "error.type", "sentry.",
    "sample_rate",
)  # fmt: skip
TRANSACTIONS = {
    "none": "none",
    "committed": "committed",
    "rolled_back": "rolled back: its changes were not stored",
}
# The loggers of the completion records of commands and spans, each with its event.
COMPLETION_EVENTS = {"observability.command": "command", "observability.span": "span"}


class ObservationKey(NamedTuple):
    """Identifies an observation. A client may send the same request id twice; the service generates the span id."""

    request_id: str
    span_id: str


def write_request(options: Options, output: Output) -> None:
    """Print each observation with this id as text, or its lines as JSON."""
    with options.open_logs(output) as logs:
        observations = find_observations(logs, options.columns, options.time_range, options.request_id)
    if not observations:
        raise LogAnalysisError(
            f"No log line has the id {options.request_id!r}. Its lines were deleted or sampled out, are not written "
            "yet, or are in another directory (--in PATH) or on another machine."
        )
    for number, records in enumerate(observations):
        if options.as_json:
            for record in records:
                output.write(to_json(record))
            continue
        if number:
            output.write("")
        for line in render_observation(records, options.columns, output.terminal):
            output.write(line)


def find_observations(
    logs: Sequence[Log], columns: Columns, time_range: TimeRange, id_prefix: str
) -> list[list[Record]]:
    """Return the records of each observation with this id, ordered by time.

    The id is the X-Request-ID, the trace id or the Sentry event id, or at least its first six characters. A line that
    two logs contain is returned once. Raises LogAnalysisError for text that is not an id.
    """
    if not re.fullmatch(rf"[A-Za-z0-9._-]{{{MIN_ID_LENGTH},128}}", id_prefix):
        raise LogAnalysisError(
            f"{id_prefix!r} is not an id. Allowed: at least {MIN_ID_LENGTH} characters, only letters, digits, "
            "'.', '_' and '-'."
        )
    observations: dict[ObservationKey, list[Record]] = {}
    for record in _find_records(logs, columns, time_range, id_prefix):
        if _has_id(record, id_prefix, (*ID_KEYS, SENTRY_ID_KEY)):
            observations.setdefault(_observation_key(record), []).append(record)
    # Only one line of an observation has the Sentry event id.
    partial = {
        key for key, records in observations.items() if not any(_has_id(each, id_prefix, ID_KEYS) for each in records)
    }
    for request_id in {key.request_id for key in partial if key.request_id}:
        complete: dict[ObservationKey, list[Record]] = {}
        for record in _find_records(logs, columns, time_range, request_id):
            complete.setdefault(_observation_key(record), []).append(record)
        observations |= {key: records for key, records in complete.items() if key in partial}
    for records in observations.values():
        records.sort(key=lambda record: str(record["timestamp"]))
    return sorted(observations.values(), key=lambda records: str(records[0]["timestamp"]))


def render_observation(records: Sequence[Record], columns: Columns, terminal: Terminal) -> Iterator[str]:
    """Yield the summary of an observation, then its lines, each with the time since its start."""
    completion = _find_completion(records, columns)
    start = _start_time(records, completion)
    yield terminal.style(_heading(completion or records[0], columns), "bold")
    for name, value in _summary(completion or records[0]):
        yield f"  {terminal.style(f'{name:<12}', 'dim')} {escape_controls(value)}"
    yield ""
    for record in records:
        time = parse_timestamp(record["timestamp"])
        offset_ms = (time - start).total_seconds() * 1000 if time and start else 0
        is_request = record is completion and columns.is_request_record(record)
        line = _without_summary(record) if is_request else record
        yield from format_record(line, columns, terminal, offset=f"{offset_ms:+10.1f} ms")
    logged_count = sum(record.get("event") in QUERY_EVENTS for record in records)
    missing = (finite_number(completion.get("db.query_count")) or 0) - logged_count if completion else 0
    if logged_count and missing > 0:
        yield f"{INDENT}{format_count(round(missing), 'more query', 'more queries')} ran, but were not logged."


def _find_records(logs: Sequence[Log], columns: Columns, time_range: TimeRange, text: str) -> Iterator[Record]:
    """Yield the records in the time range whose lines contain the text, each record once."""
    files = [file for log in logs for file in log.files]
    needle = text.encode("utf-8", "replace")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda file: list(find_lines(file, needle)), files))
    records = (parse_line(line, columns.time_key) for lines in found for line in lines)
    distinct = {json.dumps(record, sort_keys=True): record for record in records if record}
    for record in map(columns.normalize, distinct.values()):
        if parse_timestamp(record["timestamp"]) in time_range:
            yield record


def _has_id(record: Record, id_prefix: str, keys: Sequence[str]) -> bool:
    return any(str(record.get(key) or "").startswith(id_prefix) for key in keys)


def _observation_key(record: Record) -> ObservationKey:
    request_id, span_id = record.get("request_id"), record.get("span_id")
    return ObservationKey(str(request_id or ""), str(span_id or ""))


def _find_completion(records: Sequence[Record], columns: Columns) -> Record | None:
    """Return the record that was written when the observation ended; None if it is missing."""
    return next((each for each in records if columns.is_request_record(each) or _is_completion(each)), None)


def _is_completion(record: Record) -> bool:
    """Return whether a record is the completion record of a command or a span."""
    logger = record.get("logger")
    return isinstance(logger, str) and COMPLETION_EVENTS.get(logger, "") == record.get("event")


def _start_time(records: Sequence[Record], completion: Record | None) -> datetime | None:
    if completion is None:
        return parse_timestamp(records[0]["timestamp"])
    end, duration_ms = parse_timestamp(completion["timestamp"]), finite_number(completion.get("duration_ms"))
    try:
        return end - timedelta(milliseconds=duration_ms or 0) if end else None
    except OverflowError:
        return end


def _without_summary(completion: Record) -> Record:
    """Return the access log record without the keys that the summary shows. Keys from `note` remain."""
    notes = {key: value for key, value in completion.items() if not key.startswith(SUMMARY_PREFIXES)}
    return notes | {"event": f"response {completion.get('http.response.status_code')}", "logger": None}


def _heading(record: Record, columns: Columns) -> str:
    name = next((record[key] for key in ("command.name", "span.name") if record.get(key)), None)
    duration = format_milliseconds(record.get("duration_ms"))
    if columns.is_request_record(record):
        status = record.get("http.response.status_code") or "no status"
        text = f"{record.get('http.request.method')} {record.get('url.path')}  {status} in {duration}"
    elif name is not None:
        text = f"{record.get('event')} {name} in {duration}"
    else:
        text = "No completion record: still running, killed, or its line was sampled out or deleted."
    return escape_controls(text)


def _summary(record: Record) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a completion record that have a value."""
    yield "ended" if record.get("duration_ms") is not None else "time", str(record["timestamp"])
    yield "request id", str(record.get("request_id"))
    yield "trace", f"{record.get('trace_id')}, span {record.get('span_id')}"
    if record.get("http.route"):
        yield "route", str(record["http.route"])
    if (count := record.get("db.query_count")) is not None:
        repeated = finite_number(record.get("db.repeated_count")) or 0
        repetition = f", the same one up to {repeated} times" if repeated > 1 else ""
        yield "queries", f"{count} in {format_milliseconds(record.get('db.duration_ms'))}{repetition}"
    if (transaction := record.get("db.transaction")) is not None:
        yield "transaction", TRANSACTIONS.get(str(transaction), str(transaction))
    if record.get("outgoing.count"):
        yield "outgoing", f"{record['outgoing.count']} in {format_milliseconds(record.get('outgoing.duration_ms'))}"
    if record.get("db.over_budget"):
        yield "budget", f"exceeded: {record.get('db.query_budget')} queries are allowed"
    client = " ".join(str(record[key]) for key in ("client.address", "user_agent.original") if record.get(key))
    if client:
        yield "client", client
    if record.get("user.id") is not None:
        yield "user", str(record["user.id"])
    if record.get("error.type"):
        yield "error", str(record["error.type"])
    if record.get("sentry.event_id"):
        yield "sentry", f"event {record['sentry.event_id']}"
