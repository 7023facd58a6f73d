"""Format records, numbers and times as readable text, and rows as JSON."""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from observability.core.measurements import summarize_request
from observability.log_analysis.columns import Columns
from observability.log_analysis.lines import Record
from observability.log_analysis.terminal import Terminal
from observability.log_analysis.times import format_timestamp, parse_timestamp
from observability.text import escape_controls

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
LEVEL_STYLES = {
    "debug": ("dim",),
    "info": ("green",),
    "warning": ("yellow",),
    "error": ("red",),
    "critical": ("bold", "red"),
}
SHORT_LEVELS = {"warning": "warn", "critical": "crit"}
LEVEL_WIDTH = 5
INDENT = "    "
STACK_KEYS = ("exception.stacktrace", "stacktrace")
# Keys that are not printed as key=value: they have their own place in the line, or are left out.
PLACED_KEYS = frozenset(
    {"timestamp", "level", "logger", "event", "request_id", "trace_id", "span_id", "service.name", *STACK_KEYS}
)
# Keys of the completion records of commands and spans. The event of such a record is the part before the dot.
COMPLETION_KEYS = frozenset({"command.name", "span.name"})
QUERY_EVENTS = ("slow_query", "query")
ID_LENGTH = 8


def format_record(record: Record, columns: Columns, terminal: Terminal, *, offset: str = "") -> Iterator[str]:
    """Yield the line of a record, then its SQL and its stack trace in indented lines.

    `offset` replaces the time of day; `record_date` returns the date.
    """
    level = escape_controls(str(record.get("level") or "").lower())
    is_request = columns.is_request_record(record)
    is_completion = is_request or f"{record.get('event')}.name" in COMPLETION_KEYS & record.keys()
    event, keys = _summarize_completion(record, is_request=is_request) if is_completion else _summarize(record)
    parts = [
        terminal.style(offset or _time_of_day(record), "dim"),
        terminal.style(f"{SHORT_LEVELS.get(level, level):{LEVEL_WIDTH}}", *LEVEL_STYLES.get(level, ())),
        terminal.style(escape_controls(event), "bold"),
    ]
    if not is_completion and record.get("logger"):
        parts.append(terminal.style(f"[{escape_controls(str(record['logger']))}]", "dim"))
    parts += [
        f"{terminal.style(escape_controls(key), 'cyan')}={_format_value(value)}"
        for key, value in keys.items()
        if key not in PLACED_KEYS
    ]
    if record.get("request_id") and not offset:
        parts.append(terminal.style(escape_controls(str(record["request_id"]))[:ID_LENGTH], "dim"))
    yield " ".join(parts)
    if record.get("event") in QUERY_EVENTS:
        yield f"{INDENT}{escape_controls(str(record.get('db.query.text')))}"
    for key in STACK_KEYS:
        if record.get(key):
            lines = record[key] if isinstance(record[key], list) else str(record[key]).split("\n")
            yield from (f"{INDENT}{escape_controls(str(line).expandtabs(len(INDENT)))}" for line in lines)


def record_date(record: Record) -> str:
    """Return the date of a record, in UTC."""
    return str(record.get("timestamp"))[:10]


def row_to_json(row: Mapping[str, object]) -> str:
    """Return a row as JSON. Times are in UTC, infinite numbers and NaN become null, other types become text."""
    return json.dumps({name: _to_json_value(value) for name, value in row.items()}, default=str)


def finite_number(value: object) -> float | None:
    """Return the value if it is a finite number; None for text, booleans and all other values."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def format_number(value: float | None) -> str:
    """Return a whole number with thousands separators; empty for None."""
    return "" if value is None else f"{value:,.0f}"


def format_milliseconds(duration_ms: object) -> str:
    """Return a duration with its unit and at least two digits; empty if it is not a finite number."""
    value = finite_number(duration_ms)
    if value is None:
        return ""
    if round(value) < SECOND_MS:
        return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"  # noqa: PLR2004 - two digits
    for unit_ms, unit in ((SECOND_MS, "s"), (MINUTE_MS, "min"), (HOUR_MS, "h")):
        if value < 100 * unit_ms or unit == "h":
            break
    amount = value / unit_ms
    return f"{amount:,.0f} {unit}" if amount >= 10 else f"{amount:.1f} {unit}"  # noqa: PLR2004 - two digits


def format_percent(part: float | None, whole: float | None) -> str:
    """Return a part in percent. A part above zero is never shown as 0."""
    if not part or not whole:
        return "-"
    percent = 100 * part / whole
    if percent < 0.1:  # noqa: PLR2004
        return "<0.1 %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"  # noqa: PLR2004


def format_size(size: float) -> str:
    """Return a number of bytes in decimal units."""
    if size < 1e3:  # noqa: PLR2004
        return f"{size:.0f} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if round(size / factor, 1) < 1e3 or unit == "GB":  # noqa: PLR2004
            break
    return f"{size / factor:,.1f} {unit}"


def format_time(time: datetime | None, *, with_date: bool = False) -> str:
    """Return a time in UTC, to the second, with its date if `with_date`; empty for None."""
    if time is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S" if with_date else "%H:%M:%S")


def format_time_range(first: datetime, last: datetime) -> str:
    """Return a time range. The end has a date only if it is on another day than the start."""
    end = format_time(last, with_date=first.date() != last.date())
    return f"{format_time(first, with_date=True)} to {end} UTC"


def _summarize_completion(record: Record, *, is_request: bool) -> tuple[str, Record]:
    """Return the summary of a request, command or span, and the keys that are printed after it."""
    event, keys = summarize_request(record)
    if not is_request:
        kind = record["event"]
        event = f"{kind} {keys.pop(f'{kind}.name', '?')}"
    duration, queries = format_milliseconds(keys.pop("ms", None)), keys.pop("queries", None)
    keys.pop("db_ms", None)
    if keys.get("transaction") == "committed":
        del keys["transaction"]
    return f"{event} {duration}{f' {queries}q' if queries else ''}", keys


def _summarize(record: Record) -> tuple[str, Record]:
    event = str(record.get("event") or "")
    keys = {key: value for key, value in record.items() if value is not None}
    if keys.get("exception.stacktrace"):
        # The last line of the stack trace has the type and the message.
        keys = {key: value for key, value in keys.items() if key not in {"exception.type", "exception.message"}}
    return _summarize_query(event, keys) if event in QUERY_EVENTS else (event, keys)


def _summarize_query(event: str, keys: Record) -> tuple[str, Record]:
    """Return the event with the duration of a query, and its keys. Its SQL is printed on its own line."""
    place = f"{keys.pop('code.file.path', '')}:{keys.pop('code.line.number', '')}"
    function = keys.pop("code.function.name", "")
    keys.pop("db.query.text", None)
    if keys.get("db.namespace") == "default":
        del keys["db.namespace"]
    duration = format_milliseconds(keys.pop("duration_ms", None))
    return f"{event} {duration}", keys | ({"at": f"{place} {function}".strip()} if len(place) > 1 else {})


def _time_of_day(record: Record) -> str:
    time = parse_timestamp(record.get("timestamp"))
    return time.strftime("%H:%M:%S.%f")[:-3] if time else "?"


def _format_value(value: object) -> str:
    """Return a value as text. Text with a space is quoted, so that its end is visible."""
    text = escape_controls(value if isinstance(value, str) else str(value))
    return f'"{text}"' if " " in text or not text else text


def _to_json_value(value: object) -> object:
    if isinstance(value, datetime):
        return format_timestamp(value if value.tzinfo else value.replace(tzinfo=UTC))
    return None if isinstance(value, float) and not math.isfinite(value) else value
