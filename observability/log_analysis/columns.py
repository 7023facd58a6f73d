"""What the values of a line are called: the keys of the files, and the names by which a person asks for them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from observability.log_analysis.lines import Record
from observability.log_analysis.mistake import ReadingError
from observability.log_analysis.times import EPOCH_UNITS, rfc_3339, time_of


class Column(NamedTuple):
    """A column of the views: its name, the key of the line, its DuckDB type, and what it says."""

    name: str
    key: str
    type: str
    help: str = ""


_base = (
    Column("time", "timestamp", "TIMESTAMP", "UTC"),
    Column("level", "level", "VARCHAR", "debug, info, warning, error or critical"),
    Column("request_id", "request_id", "VARCHAR", "the X-Request-ID of the response"),
    Column("trace_id", "trace_id", "VARCHAR"),
    Column("span_id", "span_id", "VARCHAR"),
    Column("service", "service.name", "VARCHAR"),
)
_work = (
    Column("duration_ms", "duration_ms", "DOUBLE", "until the last byte of the body"),
    Column("query_count", "db.query_count", "BIGINT"),
    Column("db_ms", "db.duration_ms", "DOUBLE"),
    Column("repeated_count", "db.repeated_count", "BIGINT", "how often the most repeated statement ran"),
    Column("transaction", "db.transaction", "VARCHAR", "none, committed or rolled_back"),
    Column("outgoing_count", "outgoing.count", "BIGINT"),
    Column("outgoing_ms", "outgoing.duration_ms", "DOUBLE"),
)
_request = (
    Column("method", "http.request.method", "VARCHAR"),
    Column("route", "http.route", "VARCHAR", "the pattern that matched"),
    Column("path", "url.path", "VARCHAR"),
    Column("status", "http.response.status_code", "BIGINT"),
    *_work,
    Column("client", "client.address", "VARCHAR"),
    Column("user_agent", "user_agent.original", "VARCHAR"),
    Column("user_id", "user.id", "VARCHAR"),
    Column("body_bytes", "http.response.body.size", "BIGINT"),
    Column("error_type", "error.type", "VARCHAR", "the exception that ended it"),
    Column("over_budget", "db.over_budget", "BOOLEAN"),
    Column("query_budget", "db.query_budget", "BIGINT"),
    Column("sentry_event_id", "sentry.event_id", "VARCHAR"),
    Column("sample_rate", "sample_rate", "DOUBLE", "how many requests the line stands for"),
)
_statement = (
    Column("database", "db.namespace", "VARCHAR"),
    Column("statement", "db.query.text", "VARCHAR", "with placeholders"),
    Column("file", "code.file.path", "VARCHAR"),
    Column("line", "code.line.number", "BIGINT"),
    Column("function", "code.function.name", "VARCHAR"),
)
_record = (
    Column("logger", "logger", "VARCHAR"),
    Column("event", "event", "VARCHAR"),
)
_exception = (
    Column("exception_type", "exception.type", "VARCHAR"),
    Column("exception_message", "exception.message", "VARCHAR"),
    Column("stacktrace", "exception.stacktrace", "VARCHAR"),
)

VIEWS: dict[str, tuple[Column, ...]] = {
    "requests": (*_base, *_request),
    "records": (*_base, *_record, *_request, *_statement, *_exception),
    "statements": (*_base, _record[1], _work[0], *_statement),
}
COLUMNS = {column.name: column for column in VIEWS["records"]}

NUMBERS = ("BIGINT", "DOUBLE")

# What no line has as a key: the file in which a line is (which may well have a `filename` of its own), and the number
# of a record among those that are looked at together.
FILE, NUMBER = "#file", "#"

# Of somebody else's lines those are of requests which have these, as far as --column names them.
REQUEST_SIGNS = ("status", "duration_ms")
REQUEST, ACCESS = "request", "observability.access"

# A key of a line's object, or the path of one, `$.request.method`; with the factor that makes our unit of it.
_mapping = re.compile(r"(?P<name>\w+)=(?P<key>.+?)(?:\*(?P<factor>\d+(?:\.\d+)?))?")


class Mapped(NamedTuple):
    """Where the lines of somebody else have a value of ours."""

    key: str
    factor: float = 1.0

    @property
    def path(self) -> list[str]:
        """The keys that lead to the value."""
        return self.key[2:].split(".") if self.key.startswith("$.") else [self.key]


def mappings(written: Iterable[str]) -> dict[str, Mapped]:
    """The mappings by the name of the column; ReadingError tells what can be given."""
    found = {}
    for each in written:
        match = _mapping.fullmatch(each)
        if match is None or match["name"] not in COLUMNS:
            raise ReadingError(
                f"--column is {each!r}: NAME=KEY, such as status=http_status, duration_ms=seconds*1000 or "
                f"route=$.request.route; a name is one of {', '.join(COLUMNS)}."
            )
        found[match["name"]] = Mapped(match["key"], float(match["factor"] or 1))
    return found


class Columns:
    """The columns of some files: ours, read from our keys or from those that --column names, and further keys.

    Made once for a command; `add` is for keys that somebody asks for by their own name.
    """

    def __init__(self, mapped: Mapping[str, Mapped] | None = None) -> None:
        self.mapped = dict(mapped or {})
        if "path" in self.mapped and "route" not in self.mapped:
            self.mapped["route"] = self.mapped["path"]
        self.extra: dict[str, Column] = {}
        self._names = {column.key: column.name for column in COLUMNS.values()}

    @property
    def time_key(self) -> str:
        return self.mapped["time"].path[0] if "time" in self.mapped else "timestamp"

    def add(self, key: str, kind: str = "VARCHAR") -> None:
        """Let a key of the lines that is none of ours be a column of its own name.

        SQL does not tell letters by their case: of keys that differ in it alone, the one that was added first is it.
        """
        if key and "\0" not in key and not self._is_taken(key):
            self.extra[key] = Column(key, key, kind)

    def name_of(self, written: str) -> str | None:
        """The name of the column that is written as its name or as its key; None where there is none."""
        for name in (written, written.lower()):
            if name in COLUMNS or name in self.extra:
                return name
            if name in self._names:
                return self._names[name]
        return None

    def _is_taken(self, key: str) -> bool:
        folded = key.lower()
        taken = (*self._names, *COLUMNS, *map(str.lower, self.extra), FILE, NUMBER)
        return folded in taken

    def of(self, view: str) -> list[Column]:
        """The columns of a view, the further keys after its own."""
        return [*VIEWS[view], *self.extra.values()]

    def column(self, name: str) -> Column:
        return COLUMNS.get(name) or self.extra[name]

    def declared(self, names: Iterable[str]) -> dict[str, str]:
        """The keys to read of each line for these columns, with their DuckDB types."""
        types: dict[str, str] = {self.time_key: "VARCHAR"}
        for name in names:
            mapped = self.mapped.get(name)
            if mapped is None:
                column = self.column(name)
                types.setdefault(column.key, "VARCHAR" if name == "time" else column.type)
            elif len(mapped.path) > 1 or types.get(mapped.path[0]) == "JSON":
                types[mapped.path[0]] = "JSON"
            else:
                types[mapped.path[0]] = "VARCHAR"
        return types

    def expression(self, name: str) -> str:
        """The SQL of a column over the declared keys."""
        column, mapped = self.column(name), self.mapped.get(name)
        if mapped is None:
            key = quoted(column.key)
            if name == "time":
                return _time_expression(key)
            is_shared = any(other.path[0] == column.key for other in self.mapped.values())
            return f"try_cast({key} as {column.type})" if is_shared else key
        first, *others = mapped.path
        text = quoted(first)
        if others:
            path = "$" + "".join(f'."{part}"' for part in others)
            text = f"json_extract_string({text}, {literal(path)})"
        if name == "time":
            return _time_expression(text)
        if column.type not in NUMBERS:
            return f"try_cast({text} as {column.type})"
        number = f"try_cast({text} as DOUBLE)" + (f" * {mapped.factor}" if mapped.factor != 1 else "")
        # A whole number may be written as 200.0 too.
        return f"try_cast({number} as BIGINT)" if column.type == "BIGINT" else number

    def request_signs(self) -> list[str]:
        """The columns by which the line of a request is told."""
        return [name for name in REQUEST_SIGNS if name in self.mapped] or ["event", "logger"]

    def is_request(self) -> str:
        """The SQL condition that a line is that of a request."""
        signs = self.request_signs()
        if signs == ["event", "logger"]:
            return f"event = '{REQUEST}' and logger = '{ACCESS}'"
        return " and ".join(f"{name} is not null" for name in signs)

    def is_request_record(self, record: Record) -> bool:
        """The same of a record."""
        signs = self.request_signs()
        if signs == ["event", "logger"]:
            return record.get("event") == REQUEST and record.get("logger") == ACCESS
        return all(record.get(COLUMNS[name].key) is not None for name in signs)

    def normalised(self, record: Record) -> Record:
        """The record with our keys for what is mapped."""
        if not self.mapped:
            return record
        found: Record = {}
        for name, mapped in self.mapped.items():
            value: Any = record
            for part in mapped.path:
                value = value.get(part) if isinstance(value, dict) else None
            if name == "time":
                time = time_of(value)
                value = rfc_3339(time) if time else None
            elif COLUMNS[name].type in NUMBERS:
                value = _number(value, mapped.factor)
            found[COLUMNS[name].key] = value
        return record | found


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def _number(value: object, factor: float) -> float | None:
    """A number that may be written as a text; None for what is none."""
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return number if factor == 1 else number * factor


def _time_expression(text: str) -> str:
    """ISO 8601, with a comma too, or a number of the epoch; null where it is none.

    Ours take a shorter way, which has no time zones in it.
    """
    number = f"try_cast({text} as DOUBLE)"
    micros = " ".join(f"when {number} < {limit} then {number} * {1e6 / divisor}" for limit, divisor in EPOCH_UNITS)
    return (
        f"coalesce(case when {text} like '____-__-__T%Z' then try_cast({text} as TIMESTAMP) end, "
        f"case when {number} is not null then "
        f"try(make_timestamp(try_cast(case {micros} else {number} / 1000 end as BIGINT))) "
        f"when {text} like '____-%' then timezone('UTC', try_cast(replace({text}, ',', '.') as TIMESTAMPTZ)) end)"
    )
