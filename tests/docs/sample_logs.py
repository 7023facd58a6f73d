"""Small log files for lnav and jq, written with the formatter and the handler of the service."""

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
STATEMENT = 'SELECT "service_truck"."vin" FROM "service_truck" WHERE "service_truck"."id" = %s'


def make_record(
    second: float,
    level: int,
    event: str,
    request_id: str | None = None,
    *,
    logger: str = "service.ingest",
    error: Exception | None = None,
    facts: dict[str, Any] | None = None,
) -> logging.LogRecord:
    """Return a log record; `second` is its time in seconds after the first line."""
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


def request_record(
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
    """Return the record of an access line. A test in `test_lnav.py` compares its keys with those of a server."""
    level = logging.ERROR if status >= 500 else logging.WARNING if status >= 400 else logging.INFO
    own = {
        "http.request.method": method,
        "http.route": route,
        "url.path": route.replace("<vin>", "LGHB2V190FC200001"),
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
    return make_record(second, level, "request", request_id, logger="observability.access", facts=own | (facts or {}))


def query_record(second: float, level: int, request_id: str, duration_ms: float) -> logging.LogRecord:
    """Return the record of a logged query: `slow_query` from WARNING on, else `query`."""
    facts: dict[str, Any] = {"duration_ms": duration_ms, "db.namespace": "default", "db.query.text": STATEMENT}
    facts |= {"code.file.path": "service/reports.py", "code.line.number": 48, "code.function.name": "report"}
    event = "slow_query" if level >= logging.WARNING else "query"
    return make_record(second, level, event, request_id, logger="observability.sql", facts=facts)


def failure_records(second: float, request_id: str, error: Exception) -> list[logging.LogRecord]:
    """Return the records of a request that ends with an exception: Django's error and the access line."""
    try:
        raise error
    except type(error) as raised:
        django = make_record(second, logging.ERROR, "Internal Server Error: /report/", request_id, error=raised)
    name = type(error).__name__
    return [django, request_record(second + 0.5, request_id, "/report/", 20.0, status=500, facts={"error.type": name})]


# From the oldest file to the newest.
OLDEST = [
    request_record(0, "list-1", "/api/v1/trucks/", 8.5, facts={"sample_rate": 10}),
    request_record(1, "list-2", "/api/v1/trucks/", 12.5, facts={"sample_rate": 10}),
    request_record(2, "detail-1", "/api/v1/trucks/<vin>/", 5.0, status=404),
]
OLDER = [
    make_record(60, logging.INFO, "truck_registered", "import-1", facts={"vin": "LGHB2V190FC200001"}),
    request_record(61, "import-1", "/api/v1/telemetry/frames/", 620.5, method="POST", query_count=9),
    query_record(62, logging.WARNING, "report-1", 152.5),
    request_record(63, "report-1", "/report/", 1840.0, query_count=48, facts={"db.repeated_count": 40}),
]
FAILED = [
    *failure_records(120, "report-2", ValueError("no trucks")),
    *failure_records(121, "report-3", RuntimeError("no fleet")),
    *failure_records(122, "report-4", ValueError("no manufacturers")),
]
NEWEST = [
    make_record(115, logging.INFO, "ingest_started", logger="service"),
    request_record(117, "0f2a9c7e", "/api/v1/trucks/", 41.25),
    request_record(118, "list-3", "/api/v1/trucks/", 9.5, facts={"sample_rate": 10}),
    request_record(
        119,
        "import-2",
        "/api/v1/telemetry/frames/",
        730.5,
        method="POST",
        query_count=9,
        facts={"outgoing.count": 2, "outgoing.duration_ms": 500.0},
    ),
    *FAILED,
    make_record(130, logging.CRITICAL, "ingest_stopped", logger="service"),
]
QUERIES = [query_record(50, logging.DEBUG, "report-0", 0.5), query_record(62, logging.WARNING, "report-1", 152.5)]


def write_lines(file: Path, records: Sequence[logging.LogRecord]) -> None:
    """Append the lines of the records to a log file, as the service does."""
    handler = SharedRotatingFileHandler(file)
    handler.setFormatter(JsonFormatter(service_name="vitrine"))
    for each in records:
        handler.handle(each)
    handler.close()


def write_sample_logs(directory: Path, *, is_torn: bool = False) -> Path:
    """Write `var/log` in a directory: a log that was rotated twice and compressed once; optionally with a torn line."""
    log_dir = directory / "var" / "log"
    log_dir.mkdir(parents=True)
    service = log_dir / "service.jsonl"
    write_lines(service, OLDEST)
    (log_dir / "service.jsonl.2.gz").write_bytes(gzip.compress(service.read_bytes()))
    service.unlink()
    write_lines(service, OLDER)
    service.rename(log_dir / "service.jsonl.1")
    write_lines(service, NEWEST[:1])
    if is_torn:
        # A kill during a write leaves the beginning of a line. The next line follows without a line end.
        with service.open("a") as file:
            file.write('{"timestamp":"2026-01-05T08:31:56.000000Z","level":"info","logger":"obser')
    write_lines(service, NEWEST[1:])
    write_lines(log_dir / "errors.jsonl", FAILED)
    write_lines(log_dir / "sql.jsonl", QUERIES)
    return directory


def lnav_environment(home: Path) -> dict[str, str]:
    """Return variables that keep lnav's formats and unpacked files in `home`, and set the time zone to UTC."""
    others = {name: value for name, value in os.environ.items() if name != "XDG_CONFIG_HOME"}
    return others | {"HOME": str(home), "TMPDIR": str(home), "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def run_shell(command: str, directory: Path, home: Path) -> str:
    """Run a command with bash in a directory, and return its stdout. Fail if it fails or warns on stderr."""
    completed = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=directory, env=lnav_environment(home), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=DEADLINE_S,
    )  # fmt: skip
    warnings = re.search(r"\b(error|warning)\b", completed.stderr)
    assert completed.returncode == 0, completed.stderr
    assert warnings is None, completed.stderr
    return completed.stdout


def install_lnav_format(home: Path) -> None:
    """Run the command of docs/log-recipes.md that installs the format."""
    run_shell("lnav -W -i docs/lnav/vitrine.json", ROOT, home)
