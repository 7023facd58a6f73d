"""A small log of the service for the programs that read logs, written by our own formatter and handler."""

import gzip
import logging
import os
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from observability.core.observation import Observation
from observability.logs.formatters import JsonFormatter
from observability.logs.handlers import SharedRotatingFileHandler
from tests.server import DEADLINE_S, ROOT

STARTED_AT = datetime(2026, 1, 5, 8, 30, tzinfo=UTC).timestamp()
STATEMENT = 'SELECT "service_book"."isbn" FROM "service_book" WHERE "service_book"."id" = %s'


def record(
    second: float,
    level: int,
    event: str,
    request_id: str | None = None,
    *,
    logger: str = "service.ingest",
    error: Exception | None = None,
    facts: dict[str, Any] | None = None,
) -> logging.LogRecord:
    """What a logger says so many seconds after the first line."""
    observation = Observation("request", "GET", request_id=request_id) if request_id else None
    return logging.makeLogRecord(
        {
            "created": STARTED_AT + second,
            "name": logger,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": event,
            "exc_info": (type(error), error, error.__traceback__) if error else None,
            "observation": observation,
            "facts": facts or {},
        }
    )


def request(
    second: float,
    request_id: str,
    route: str,
    duration_ms: float,
    *,
    status: int = 200,
    method: str = "GET",
    query_count: int = 2,
    facts: dict[str, Any] | None = None,
) -> logging.LogRecord:
    """An access line with the keys that a server writes; a test of `test_lnav.py` compares them."""
    level = logging.ERROR if status >= 500 else logging.WARNING if status >= 400 else logging.INFO
    own = {
        "http.request.method": method,
        "http.route": route,
        "url.path": route.replace("<isbn>", "9780141439518"),
        "http.response.status_code": status,
        "duration_ms": duration_ms,
        "db.query_count": query_count,
        "db.duration_ms": duration_ms / 4,
        "db.repeated_count": 1,
        "db.transaction": "rolled_back" if status >= 400 else "committed",
        "outgoing.count": 0,
        "outgoing.duration_ms": 0,
        "client.address": "127.0.0.1",
        "user_agent.original": None,
        "user.id": None,
        "http.response.body.size": 58,
    }
    return record(second, level, "request", request_id, logger="observability.access", facts=own | (facts or {}))


def query(second: float, level: int, request_id: str, duration_ms: float) -> logging.LogRecord:
    facts: dict[str, Any] = {"duration_ms": duration_ms, "db.namespace": "default", "db.query.text": STATEMENT}
    facts |= {"code.file.path": "service/reports.py", "code.line.number": 48, "code.function.name": "report"}
    event = "slow_query" if level >= logging.WARNING else "query"
    return record(second, level, event, request_id, logger="observability.sql", facts=facts)


def failure(second: float, request_id: str, error: Exception) -> list[logging.LogRecord]:
    """A request to the report that ends with an exception: Django's line, and the access line."""
    try:
        raise error
    except type(error) as raised:
        django = record(second, logging.ERROR, "Internal Server Error: /report/", request_id, error=raised)
    name = type(error).__name__
    return [django, request(second + 0.5, request_id, "/report/", 20.0, status=500, facts={"error.type": name})]


# From the oldest file to the newest.
OLDEST = [
    request(0, "list-1", "/api/v1/books/", 8.5, facts={"sample_rate": 10}),
    request(1, "list-2", "/api/v1/books/", 12.5, facts={"sample_rate": 10}),
    request(2, "detail-1", "/api/v1/books/<isbn>/", 5.0, status=404),
]
OLDER = [
    record(60, logging.INFO, "book_imported", "import-1", facts={"isbn": "9780141439518"}),
    request(61, "import-1", "/api/v1/loans/", 620.5, status=201, method="POST", query_count=9),
    query(62, logging.WARNING, "report-1", 152.5),
    request(63, "report-1", "/report/", 1840.0, query_count=48, facts={"db.repeated_count": 40}),
]
FAILED = [
    *failure(120, "report-2", ValueError("no books")),
    *failure(121, "report-3", RuntimeError("no library")),
    *failure(122, "report-4", ValueError("no publishers")),
]
NEWEST = [
    record(115, logging.INFO, "ingest_started", logger="service"),
    request(117, "0f2a9c7e", "/api/v1/books/", 41.25),
    request(118, "list-3", "/api/v1/books/", 9.5, facts={"sample_rate": 10}),
    request(119, "import-2", "/api/v1/loans/", 730.5, status=201, method="POST", query_count=9),
    *FAILED,
    record(130, logging.CRITICAL, "ingest_stopped", logger="service"),
]
QUERIES = [query(50, logging.DEBUG, "report-0", 0.5), query(62, logging.WARNING, "report-1", 152.5)]


def write(file: Path, records: Sequence[logging.LogRecord]) -> None:
    """Append their lines as the service does."""
    handler = SharedRotatingFileHandler(file)
    handler.setFormatter(JsonFormatter(service_name="vitrine"))
    for each in records:
        handler.handle(each)
    handler.close()


def write_all(directory: Path, *, is_torn: bool = False) -> Path:
    """Fill `var/log` of a directory: a log that was rotated twice and compressed once; a kill may have torn a line."""
    log_dir = directory / "var" / "log"
    log_dir.mkdir(parents=True)
    service = log_dir / "service.jsonl"
    write(service, OLDEST)
    (log_dir / "service.jsonl.2.gz").write_bytes(gzip.compress(service.read_bytes()))
    service.unlink()
    write(service, OLDER)
    service.rename(log_dir / "service.jsonl.1")
    write(service, NEWEST[:1])
    if is_torn:
        # What a kill in the middle of a call leaves: the next line stands right behind it.
        with service.open("a") as file:
            file.write('{"timestamp":"2026-01-05T08:31:56.000000Z","level":"info","logger":"obser')
    write(service, NEWEST[1:])
    write(log_dir / "errors.jsonl", FAILED)
    write(log_dir / "sql.jsonl", QUERIES)
    return directory


def own_environment(home: Path) -> dict[str, str]:
    """For lnav, which keeps its formats and what it was told in the home directory, and unpacked files in another."""
    others = {name: value for name, value in os.environ.items() if name != "XDG_CONFIG_HOME"}
    return others | {"HOME": str(home), "TMPDIR": str(home), "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def shell(command: str, directory: Path, home: Path) -> str:
    """What a shell prints that runs a command in a directory; it has to succeed and to complain of nothing."""
    completed = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=directory, env=own_environment(home), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=DEADLINE_S,
    )  # fmt: skip
    complaints = re.search(r"\b(error|warning)\b", completed.stderr)
    assert completed.returncode == 0, completed.stderr
    assert complaints is None, completed.stderr
    return completed.stdout


def install_format(home: Path) -> None:
    """What the page of recipes says to do first."""
    shell("lnav -W -i docs/lnav/vitrine.json", ROOT, home)
