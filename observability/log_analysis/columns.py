"""The columns of the DuckDB views: their names, types, and the log keys that they are read from."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.lines import Record
from observability.log_analysis.times import EPOCH_UNITS, format_timestamp, parse_timestamp


class Column(NamedTuple):
    """A column of the views: its name, log key, DuckDB type and meaning."""

    name: str
    key: str
    type: str
    help: str = ""


_base = (
    Column("time", "timestamp", "TIMESTAMP", "UTC"),
    Column("level", "level", "VARCHAR", "debug, info, warning, error or critical"),
    Column("request_id", "request_id", "VARCHAR", "X-Request-ID of the response"),
    Column("trace_id", "trace_id", "VARCHAR"),
    Column("span_id", "span_id", "VARCHAR"),
    Column("service", "service.name", "VARCHAR"),
)
_measurements = (
    Column("duration_ms", "duration_ms", "DOUBLE", "from the start to the last byte of the body"),
    Column("query_count", "db.query_count", "BIGINT"),
    Column("db_ms", "db.duration_ms", "DOUBLE", "time of all queries"),
    Column("repeated_count", "db.repeated_count", "BIGINT", "runs of the most repeated query"),
    Column("transaction", "db.transaction", "VARCHAR", "none, committed or rolled_back"),
    Column("outgoing_count", "outgoing.count", "BIGINT"),
    Column("outgoing_ms", "outgoing.duration_ms", "DOUBLE", "time of all outgoing requests"),
)
_request = (
    Column("method", "http.request.method", "VARCHAR"),
    Column("route", "http.route", "VARCHAR", "URL pattern, such as /trucks/{vin}/"),
    Column("path", "url.path", "VARCHAR"),
    Column("status", "http.response.status_code", "BIGINT"),
    *_measurements,
    Column("client", "client.address", "VARCHAR"),
    Column("user_agent", "user_agent.original", "VARCHAR"),
    Column("user_id", "user.id", "VARCHAR"),
    Column("body_bytes", "http.response.body.size", "BIGINT"),
    Column("error_type", "error.type", "VARCHAR", "type of the exception that ended the request"),
    Column("over_budget", "db.over_budget", "BOOLEAN", "more queries than allowed"),
    Column("query_budget", "db.query_budget", "BIGINT", "allowed number of queries"),
    Column("sentry_event_id", "sentry.event_id", "VARCHAR"),
    Column("sample_rate", "sample_rate", "DOUBLE", "number of requests that the line represents"),
)
_statement = (
    Column("database", "db.namespace", "VARCHAR"),
    Column("statement", "db.query.text", "VARCHAR", "SQL with placeholders"),
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
    "statements": (*_base, _record[1], _measurements[0], *_statement),
}
COLUMNS = {column.name: column for column in VIEWS["records"]}

NUMBERS = ("BIGINT", "DOUBLE")

# The columns of a line's file and of a record's number within a batch. These names are reserved: a log key with such a
# name does not become a column. They begin with `#`, because a log line can have a key `filename`.
FILE, NUMBER = "#file", "#"

# In log files of other programs, a line describes a request if it has each of these columns that --column maps.
REQUEST_COLUMNS = ("status", "duration_ms")
REQUEST_EVENT, ACCESS_LOGGER = "request", "observability.access"

# NAME=KEY or NAME=KEY*FACTOR. KEY may be a path to a nested key (`$.request.method`). The factor converts the unit.
_mapping = re.compile(r"(?P<name>\w+)=(?P<key>.+?)(?:\*(?P<factor>\d+(?:\.\d+)?))?")


class ColumnMapping(NamedTuple):
    """The key from which a column of another program's lines is read."""

    key: str
    factor: float = 1.0

    @property
    def path(self) -> list[str]:
        """The keys from the top of the line to the value."""
        return self.key[2:].split(".") if self.key.startswith("$.") else [self.key]


def parse_mappings(texts: Iterable[str]) -> dict[str, ColumnMapping]:
    """Return the mappings of --column by column name. Raises LogAnalysisError, which names what is allowed."""
    mappings = {}
    for text in texts:
        match = _mapping.fullmatch(text)
        if match is None or match["name"] not in COLUMNS:
            raise LogAnalysisError(
                f"--column is {text!r}. Allowed: NAME=KEY, such as status=http_status, duration_ms=seconds*1000 or "
                f"route=$.request.route. NAME is one of {', '.join(COLUMNS)}."
            )
        mappings[match["name"]] = ColumnMapping(match["key"], float(match["factor"] or 1))
    return mappings


class Columns:
    """The columns of some logs: the predefined columns, mapped to other keys by --column, and columns of extra keys.

    Created once per command. `add` adds a column for an extra key.
    """

    def __init__(self, mappings: Mapping[str, ColumnMapping] | None = None) -> None:
        self.mappings = dict(mappings or {})
        if "path" in self.mappings and "route" not in self.mappings:
            self.mappings["route"] = self.mappings["path"]
        self.extra: dict[str, Column] = {}
        self._names = {column.key: column.name for column in COLUMNS.values()}

    @property
    def time_key(self) -> str:
        return self.mappings["time"].path[0] if "time" in self.mappings else "timestamp"

    def add(self, key: str, kind: str = "VARCHAR") -> None:
        """Add a column for an extra key of the lines: the key is its name, `kind` is its DuckDB type.

        SQL names ignore case. If keys differ only in case, the first one becomes the column.
        """
        if key and "\0" not in key and not self._is_reserved(key):
            self.extra[key] = Column(key, key, kind)

    def find_name(self, text: str) -> str | None:
        """Return the name of the column that has this name or this key; None for an unknown one."""
        for name in (text, text.lower()):
            if name in COLUMNS or name in self.extra:
                return name
            if name in self._names:
                return self._names[name]
        return None

    def _is_reserved(self, key: str) -> bool:
        return key.lower() in (*self._names, *COLUMNS, *map(str.lower, self.extra), FILE, NUMBER)

    def of_view(self, view: str) -> list[Column]:
        """Return the columns of a view; extra columns come last."""
        return [*VIEWS[view], *self.extra.values()]

    def column(self, name: str) -> Column:
        return COLUMNS.get(name) or self.extra[name]

    def key_types(self, names: Iterable[str]) -> dict[str, str]:
        """Return the keys to read from each line for these columns, with their DuckDB types."""
        types: dict[str, str] = {self.time_key: "VARCHAR"}
        for name in names:
            mapping = self.mappings.get(name)
            if mapping is None:
                column = self.column(name)
                types.setdefault(column.key, "VARCHAR" if name == "time" else column.type)
            elif len(mapping.path) > 1 or types.get(mapping.path[0]) == "JSON":
                types[mapping.path[0]] = "JSON"
            else:
                types[mapping.path[0]] = "VARCHAR"
        return types

    def sql_expression(self, name: str) -> str:
        """Return an SQL expression that computes a column from the keys of `key_types`."""
        column, mapping = self.column(name), self.mappings.get(name)
        if mapping is None:
            key = quote_name(column.key)
            if name == "time":
                return _time_expression(key)
            is_shared = any(other.path[0] == column.key for other in self.mappings.values())
            return f"try_cast({key} as {column.type})" if is_shared else key
        first, *others = mapping.path
        text = quote_name(first)
        if others:
            path = "$" + "".join(f'."{part}"' for part in others)
            text = f"json_extract_string({text}, {quote_text(path)})"
        if name == "time":
            return _time_expression(text)
        if column.type not in NUMBERS:
            return f"try_cast({text} as {column.type})"
        number = f"try_cast({text} as DOUBLE)" + (f" * {mapping.factor}" if mapping.factor != 1 else "")
        # A whole number may be written as 200.0.
        return f"try_cast({number} as BIGINT)" if column.type == "BIGINT" else number

    def request_columns(self) -> list[str]:
        """Return the columns that decide whether a line describes a request."""
        return [name for name in REQUEST_COLUMNS if name in self.mappings] or ["event", "logger"]

    def request_condition(self) -> str:
        """Return the SQL condition for lines that describe a request."""
        columns = self.request_columns()
        if columns == ["event", "logger"]:
            return f"event = '{REQUEST_EVENT}' and logger = '{ACCESS_LOGGER}'"
        return " and ".join(f"{name} is not null" for name in columns)

    def is_request_record(self, record: Record) -> bool:
        """Return whether a record matches `request_condition`."""
        columns = self.request_columns()
        if columns == ["event", "logger"]:
            return record.get("event") == REQUEST_EVENT and record.get("logger") == ACCESS_LOGGER
        return all(record.get(COLUMNS[name].key) is not None for name in columns)

    def normalize(self, record: Record) -> Record:
        """Return the record with the keys of this package instead of the mapped keys of another program."""
        if not self.mappings:
            return record
        mapped: Record = {}
        for name, mapping in self.mappings.items():
            value: object = record
            for part in mapping.path:
                value = value.get(part) if isinstance(value, dict) else None
            if name == "time":
                time = parse_timestamp(value)
                value = format_timestamp(time) if time else None
            elif COLUMNS[name].type in NUMBERS:
                value = _convert(value, mapping.factor)
            mapped[COLUMNS[name].key] = value
        return record | mapped


def quote_name(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text as a quoted SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _convert(value: object, factor: float) -> float | None:
    """Return a value (a number, or text with a number) multiplied by the factor; None if it is not a number."""
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return number if factor == 1 else number * factor


def _time_expression(text: str) -> str:
    """Return an SQL expression for a time: ISO 8601, also with a decimal comma, or a number since 1970; else null.

    The format of the service's own lines is tried first: it needs no time zone conversion, which is slow.
    """
    number = f"try_cast({text} as DOUBLE)"
    micros = " ".join(f"when {number} < {limit} then {number} * {1e6 / divisor}" for limit, divisor in EPOCH_UNITS)
    return (
        f"coalesce(case when {text} like '____-__-__T%Z' then try_cast({text} as TIMESTAMP) end, "
        f"case when {number} is not null then "
        f"try(make_timestamp(try_cast(case {micros} else {number} / 1000 end as BIGINT))) "
        f"when {text} like '____-%' then timezone('UTC', try_cast(replace({text}, ',', '.') as TIMESTAMPTZ)) end)"
    )
