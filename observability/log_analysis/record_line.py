"""A record as a line for a person, with its stack trace below it."""

from collections.abc import Iterator
from typing import Any

from observability.log_analysis.columns import Columns
from observability.log_analysis.lines import Record
from observability.log_analysis.numbers import milliseconds
from observability.log_analysis.terminal import Terminal, harmless
from observability.log_analysis.times import time_of
from observability.logs.access_summary import access_summary

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
STACKS = ("exception.stacktrace", "stacktrace")
# What has a place of its own in the line, or tells nothing beside it.
PLACED = frozenset(
    {"timestamp", "level", "logger", "event", "request_id", "trace_id", "span_id", "service.name", *STACKS}
)
# The lines at the end of what is no request.
WORK_NAMES = frozenset({"command.name", "span.name"})
QUERIES = ("slow_query", "query")
ID_DIGITS = 8


def record_lines(record: Record, columns: Columns, terminal: Terminal, *, moment: str = "") -> Iterator[str]:
    """The line, and those of the stack trace and of a statement, indented.

    `moment` stands for the time; else it is that of the day (`date_of` has the date).
    """
    level = harmless(str(record.get("level") or "").lower())
    is_request = columns.is_request_record(record)
    is_end = is_request or f"{record.get('event')}.name" in WORK_NAMES & record.keys()
    event, facts = _told_end(record, is_request=is_request) if is_end else _told(record)
    parts = [
        terminal.styled(moment or _clock(record), "dim"),
        terminal.styled(f"{SHORT_LEVELS.get(level, level):{LEVEL_WIDTH}}", *LEVEL_STYLES.get(level, ())),
        terminal.styled(harmless(event), "bold"),
    ]
    if not is_end and record.get("logger"):
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
            yield from (f"{INDENT}{harmless(str(line).expandtabs(len(INDENT)))}" for line in text)


def _told_end(record: Record, *, is_request: bool) -> tuple[str, dict[str, Any]]:
    """What a person wants to know of any request, command or block of work, then what is not as usual."""
    event, facts = access_summary(record)
    if not is_request:
        kind = record["event"]
        event = f"{kind} {facts.pop(f'{kind}.name', '?')}"
    took, queries = milliseconds(facts.pop("ms", None)), facts.pop("queries", None)
    facts.pop("db_ms", None)
    if facts.get("transaction") == "committed":
        del facts["transaction"]
    return f"{event} {took}{f' {queries}q' if queries else ''}", facts


def _told(record: Record) -> tuple[str, dict[str, Any]]:
    event = str(record.get("event") or "")
    facts = {key: value for key, value in record.items() if value is not None}
    if facts.get("exception.stacktrace"):
        # It ends with these.
        facts = {key: value for key, value in facts.items() if key not in {"exception.type", "exception.message"}}
    return _told_query(event, facts) if event in QUERIES else (event, facts)


def _told_query(event: str, facts: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """How long it took, and the line of code; its statement has a line of its own."""
    place = f"{facts.pop('code.file.path', '')}:{facts.pop('code.line.number', '')}"
    function = facts.pop("code.function.name", "")
    facts.pop("db.query.text", None)
    if facts.get("db.namespace") == "default":
        del facts["db.namespace"]
    took = milliseconds(facts.pop("duration_ms", None))
    return f"{event} {took}", facts | ({"at": f"{place} {function}".strip()} if len(place) > 1 else {})


def date_of(record: Record) -> str:
    """The day of a record, in UTC."""
    return str(record.get("timestamp"))[:10]


def _clock(record: Record) -> str:
    time = time_of(record.get("timestamp"))
    return time.strftime("%H:%M:%S.%f")[:-3] if time else "?"


def _value(value: object) -> str:
    """A value; text with a space in it in quotes, so that its end is seen."""
    text = harmless(value if isinstance(value, str) else str(value))
    return f'"{text}"' if " " in text or not text else text
