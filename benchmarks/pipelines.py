"""Pipelines that write one log record to a file: ours and common alternatives."""

import importlib
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog
from pythonjsonlogger.json import JsonFormatter as PythonJsonFormatter

from benchmarks.packages import site_packages
from observability.logs.formatters import JsonFormatter
from observability.logs.handlers import SharedRotatingFileHandler
from observability.logs.structlog_pipeline import EventRecord

EVENT = "book_imported"
FACTS = {
    "isbn": "978014143951800",
    "row": 12,
    "weight_kg": 3.25,
    "is_new": True,
    "publisher": "some text here",
    "series": None,
    "status": "lent",
    "attempt": 17,
    "file": "x" * 20,
    "year": 99,
}
BOUND = {"batch": "2026-01", "shard": 2, "source": "upload", "step": 4, "zone": "z", "user_number": 6}
MAX_BYTES = 20_000_000

Log = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A logging set-up; `log` writes one record."""

    name: str
    log: Log
    record_factory: type[logging.LogRecord] = logging.LogRecord


def lower_bound(path: Path) -> Log:
    """Return a function that only writes our line with one `os.write`."""
    ours_with_structlog(path).log()
    line = path.read_bytes().splitlines(keepends=True)[-1]
    descriptor = os.open(path, os.O_APPEND | os.O_WRONLY)
    return lambda: os.write(descriptor, line)


def pipelines(directory: Path) -> list[Pipeline]:
    """Return all pipelines, each with its own file in the directory."""
    found = [
        ours_with_structlog(directory / "ours-structlog"),
        ours_with_extra(directory / "ours-extra"),
        processor_formatter(directory / "processor-formatter"),
        log_kwargs("python-json-logger, FileHandler", logging.FileHandler(directory / "file")),
        log_kwargs("python-json-logger, RotatingFileHandler", _rotating(directory / "rotating")),
    ]
    packages = site_packages("concurrent-log-handler")
    if packages is not None:
        sys.path.append(str(packages))
        handler_class = importlib.import_module("concurrent_log_handler").ConcurrentRotatingFileHandler
        handler = handler_class(str(directory / "concurrent"), maxBytes=MAX_BYTES, backupCount=3)
        found.append(log_kwargs("python-json-logger, ConcurrentRotatingFileHandler", handler))
    return found


def ours_with_structlog(path: Path) -> Pipeline:
    log = structlog.get_logger(_ours(path).name).bind()
    return Pipeline("ours, structlog", lambda: log.info(EVENT, **FACTS), EventRecord)


def ours_with_extra(path: Path) -> Pipeline:
    log = _ours(path)
    return Pipeline("ours, extra= of logging", lambda: log.info(EVENT, extra=FACTS), EventRecord)


def processor_formatter(path: Path) -> Pipeline:
    """Return the set-up from structlog's documentation for the standard library."""
    handler = logging.FileHandler(path)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ]
        )
    )
    log = _structlog(handler, structlog.stdlib.ProcessorFormatter.wrap_for_formatter)
    return Pipeline("structlog's ProcessorFormatter, FileHandler", lambda: log.info(EVENT, **FACTS))


def log_kwargs(name: str, handler: logging.Handler) -> Pipeline:
    """Return a set-up with structlog's values as `extra=` and the default python-json-logger."""
    handler.setFormatter(PythonJsonFormatter())
    log = _structlog(handler, structlog.stdlib.render_to_log_kwargs)
    return Pipeline(name, lambda: log.info(EVENT, **FACTS))


def _rotating(path: Path) -> logging.Handler:
    return RotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=3)


def _ours(path: Path) -> logging.Logger:
    log = logging.getLogger(f"benchmarks.{path.name}")
    log.propagate = False
    log.setLevel(logging.INFO)
    handler = SharedRotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=3)
    handler.setFormatter(JsonFormatter(service_name="vitrine"))
    log.handlers = [handler]
    return log


def _structlog(handler: logging.Handler, last: Any) -> Any:  # noqa: ANN401 - structlog's
    log = logging.Logger(__name__, logging.INFO)  # noqa: LOG001 - the class of the standard library, not ours
    log.addHandler(handler)
    return structlog.wrap_logger(
        log,
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    ).bind()
