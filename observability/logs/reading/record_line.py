"""A record as a line for a person, with its stack trace below it."""

from collections.abc import Iterator
from typing import Any

from observability.logs.access_summary import access_summary
from observability.logs.reading.columns import Columns
from observability.logs.reading.lines import Record
from observability.logs.reading.terminal import Terminal, harmless
from observability.logs.reading.times import time_of

LEVEL_STYLES = {
    "debug": ("dim",),
    "info": ("green",),
    "warning": ("yellow",),
    "error": ("red",),
    "critical": ("bold", "red"),
}
LEVEL_WIDTH = 8
INDENT = "    "
STACKS = ("exception.stacktrace", "stacktrace")
# What has a place of its own in the line, or tells nothing beside it.
PLACED = frozenset(
    {"timestamp", "level", "logger", "event", "request_id", "trace_id", "span_id", "service.name", *STACKS}
)
QUERIES = ("slow_query", "query")
ID_DIGITS = 8


def record_lines(record: Record, columns: Columns, terminal: Terminal, *, moment: str = "") -> Iterator[str]:
    """The line, and those of the stack trace and of a statement, indented.

    `moment` stands for the time; else it is that of the day, with its date where it is another day's.
    """
    level = str(record.get("level") or "").lower()
    is_request = columns.is_request_record(record)
    event, facts = access_summary(record) if is_request else _told(record)
    parts = [
        terminal.styled(moment or _clock(record), "dim"),
        terminal.styled(f"{level:{LEVEL_WIDTH}}", *LEVEL_STYLES.get(level, ())),
        terminal.styled(harmless(event), "bold"),
    ]
    if not is_request and record.get("logger"):
        parts.append(terminal.styled(f"[{harmless(str(record['logger']))}]", "dim"))
    parts += [
        f"{terminal.styled(harmless(key), 'cyan')}={_value(value)}" for key, value in facts.items() if key not in PLACED
    ]
    if record.get("request_id") and not moment:
        parts.append(terminal.styled(harmless(str(record["request_id"]))[:ID_DIGITS], "dim"))
    yield " ".join(parts)
    if record.get("event") in QUERIES:
        yield f"{INDENT}{harmless(str(record.get('db.query.text')))}"
    for key in STACKS:
        if record.get(key):
            text = record[key] if isinstance(record[key], list) else str(record[key]).split("\n")
            yield from (f"{INDENT}{harmless(str(line)).replace(_escaped_tab, '    ')}" for line in text)


_escaped_tab = "\t"


def _told(record: Record) -> tuple[str, dict[str, Any]]:
    event = str(record.get("event") or "")
    facts = {key: value for key, value in record.items() if value is not None}
    if event in QUERIES:
        place = f"{facts.pop('code.file.path', '')}:{facts.pop('code.line.number', '')}"
        facts.pop("db.query.text", None)
        function = facts.pop("code.function.name", "")
        return event, facts | ({"at": f"{place} {function}".strip()} if len(place) > 1 else {})
    return event, facts


def _clock(record: Record) -> str:
    time = time_of(record.get("timestamp"))
    return time.strftime("%m-%d %H:%M:%S.%f")[:-3] if time else "?"


def _value(value: object) -> str:
    """A value; text with a space in it in quotes, so that its end is seen."""
    text = harmless(value if isinstance(value, str) else str(value))
    return f'"{text}"' if " " in text or not text else text
