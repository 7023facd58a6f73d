"""Records as the service writes them, log files with these records, and the output of `logs` for these files."""

import bz2
import gzip
import json
import lzma
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

from observability.log_analysis.cli import run
from observability.log_analysis.columns import Columns, parse_mappings
from observability.log_analysis.duckdb_views import LogDatabase, open_database
from observability.log_analysis.lines import Record
from observability.log_analysis.log_files import find_logs
from observability.log_analysis.snapshot import open_logs
from observability.log_analysis.terminal import Output, Terminal
from observability.log_analysis.times import TimeRange, format_timestamp, parse_time

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BEGAN = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
# Characters that control a terminal: escape sequences, the bell, line breaks, the text direction.
CONTROLS = "\x1b\x07\r\t\u202e\u2066\x9b"
PLAIN = Terminal(width=None, has_colors=False)
# The start of a line of a process that was killed while it wrote.
FRAGMENT = '{"timestamp":"2026-01-05T08:30:00.000000Z","level":"info","logger":"obser'
# The keys are suffixes of file names. The lowest compression levels are fast; bzip2 writes blocks of 100 kB.
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": lambda content: bz2.compress(content, 1),
    "xz": lambda content: lzma.compress(content, preset=0),
    "zst": zstd.compress,
}
TRACEBACK = """Traceback (most recent call last):
  File "/srv/library/.venv/lib/python3.11/site-packages/django/core/handlers/exception.py", line 55, in inner
    response = get_response(request)
  File "/srv/library/api/views.py", line {line}, in get
    return report()
  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode
    raise JSONDecodeError("Expecting value", s, err.value)
ValueError: no books"""


def at(second: float) -> str:
    """Return the timestamp of a second after the first record."""
    return format_timestamp(BEGAN + timedelta(seconds=second))


def record(second: float = 0, event: str = "book_imported", request_id: str | None = None, **facts: object) -> Record:
    """Return a record of the service; `facts` are its other keys, with two underscores for a dot."""
    ids = {"request_id": request_id, "trace_id": request_id and f"trace-{request_id}"}
    base = {"timestamp": at(second), "level": "info", "logger": "library", "event": event, **ids}
    base |= {"span_id": request_id and f"span-{request_id}", "service.name": "vitrine"}
    return base | {key.replace("__", "."): value for key, value in facts.items()}


def request(second: float = 0, request_id: str = "request-1", /, **facts: object) -> Record:
    """Return an access log record."""
    own: dict[str, Any] = {
        "logger": "observability.access",
        "http__request__method": "GET",
        "http__route": "/books/",
        "url__path": "/books/",
        "http__response__status_code": 200,
        "duration_ms": 10.0,
        "db__query_count": 2,
        "db__duration_ms": 4.0,
        "db__repeated_count": 1,
        "db__transaction": "committed",
        "outgoing__count": 0,
        "outgoing__duration_ms": 0,
        "client__address": "127.0.0.1",
        "user_agent__original": "curl",
        "user__id": None,
        "http__response__body__size": 58,
    }
    return record(second, "request", request_id, **(own | facts))


def failure(second: float = 0, request_id: str = "request-1", *, line: int = 12, **facts: object) -> list[Record]:
    """Return the records of a request that raised an exception: Django's record and the access log record."""
    raised = {"exception__type": "ValueError", "exception__message": "no books"}
    raised["exception__stacktrace"] = TRACEBACK.format(line=line)
    django = record(
        second, "Internal Server Error: /books/", request_id, level="error", logger="django.request", **raised
    )
    failed = {"level": "error", "http__response__status_code": 500, "error__type": "ValueError"}
    return [django, request(second + 0.1, request_id, **(failed | facts))]


def query(
    second: float = 0, request_id: str | None = "request-1", event: str = "slow_query", **facts: object
) -> Record:
    """Return the record of a slow query."""
    own: dict[str, Any] = {
        "level": "warning",
        "logger": "observability.sql",
        "duration_ms": 150.0,
        "db__namespace": "default",
        "db__query__text": "SELECT 1",
        "code__file__path": "library/reports.py",
        "code__line__number": 48,
        "code__function__name": "report",
    }
    return record(second, event, request_id, **(own | facts))


def after_fragment(whole: Record) -> str:
    """Return a fragment with a record on the same line, as after a process that was killed while it wrote."""
    return f"{FRAGMENT}{json.dumps(whole, separators=(',', ':'))}"


def to_lines(records: Iterable[object]) -> bytes:
    """Return the lines of a file: records as JSON, text unchanged."""
    return b"".join(
        b"%s\n" % (each.encode() if isinstance(each, str) else json.dumps(each, separators=(",", ":")).encode())
        for each in records
    )


def write(directory: Path, *records: object, name: str = "service.jsonl") -> Path:
    """Append lines to a log: records as JSON, text unchanged."""
    path = directory / name
    with path.open("ab") as file:
        file.write(to_lines(records))
    return path


@contextmanager
def database_of(
    *paths: Path, where: str = "", since: str = "", until: str = "", columns: Sequence[str] = ()
) -> Iterator[LogDatabase]:
    """Open a database of the logs at these paths."""
    time_range = TimeRange(
        parse_time(since, "--since") if since else None,
        parse_time(until, "--until") if until else None,
    )
    with (
        open_logs(find_logs(paths)) as (logs, _),
        open_database(logs, Columns(parse_mappings(columns)), time_range, where) as database,
    ):
        yield database


def run_logs(
    directory: Path, subcommand: str | None, terminal: Terminal = PLAIN, /, **options: object
) -> tuple[str, str]:
    """Run the command and return its output and its messages."""
    written, messages = StringIO(), StringIO()
    output = Output(lambda line: written.write(f"{line}\n"), lambda line: messages.write(f"{line}\n"), terminal)
    run({"subcommand": subcommand, "limit": 20, "no_follow": True} | options, output, [directory])
    return written.getvalue(), messages.getvalue()


def rows_of(directory: Path, sql: str, **options: object) -> list[dict[str, Any]]:
    """Return the rows of an SQL query."""
    written, _ = run_logs(directory, "sql", sql=sql, as_json=True, **options)
    return [json.loads(line) for line in written.splitlines()]


def count(directory: Path, condition: str = "true", view: str = "requests") -> int:
    """Return the number of rows of a view that match the condition."""
    (row,) = rows_of(directory, f"select count(*) as n from {view} where {condition}")
    return int(row["n"])


def matching_ids(directory: Path, where: str, **options: str) -> list[str]:
    """Return the ids of the requests that match --where."""
    with database_of(directory, where=where, **options) as database:
        database.load("requests", ["request_id"])
        return [row["request_id"] for row in database.fetch_rows("select request_id from requests order by time")]
