"""Create log records from calls of structlog, as `log.info("book_imported", isbn=…)`, and of the standard library.

Both create records of the standard library, which the handlers of `logging.yaml` filter and write. No key of a caller
raises an exception: the keys of structlog are in the record's attribute `facts`, so they cannot collide with other
attributes of the record. A key of `extra=` that collides goes there too; the standard library would raise KeyError.
"""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import structlog

from observability.core.observation import Observation
from observability.recorders.log_records import RESERVED

# The type of sys.exc_info(), but callers may pass any tuple.
ExcInfo: TypeAlias = tuple[Any, ...] | None

_record_arguments = frozenset({"exc_info", "stack_info", "stacklevel"})
_own_attributes = frozenset(logging.makeLogRecord({}).__dict__) | {"asctime", "bound_facts", "extra_facts", "message"}
_special = _own_attributes | RESERVED
_has_task_name = "taskName" in logging.makeLogRecord({}).__dict__
_started = time.time()


def configure_structlog() -> None:
    """Let structlog's loggers create records of the standard library. Processors that a service adds run before."""
    structlog.configure(
        processors=[],
        context_class=dict,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=EventLogger,
        cache_logger_on_first_use=True,
    )
    # structlog's logger factory has set another class.
    logging.setLoggerClass(ExtraLogger)
    if logging.getLogRecordFactory() is logging.LogRecord:
        logging.setLogRecordFactory(EventRecord)


def log_event(
    logger: logging.Logger,
    level: int,
    event: str,
    facts: dict[str, Any],
    observation: Observation | None,
    exc_info: ExcInfo = None,
) -> None:
    """Log an event about an observation that may not be the current one. Readers use this."""
    if logger.isEnabledFor(level):
        record = logging.getLogRecordFactory()(logger.name, level, "", 0, event, (), exc_info)
        record.__dict__["facts"] = facts
        record.__dict__["observation"] = observation
        if logger.filters:
            logger.handle(record)
        else:
            logger.callHandlers(record)


class ExtraLogger(logging.Logger):
    """A logger of the standard library that accepts any key in `extra=`. Names of record attributes become facts."""

    def makeRecord(  # noqa: N802, PLR0913, PLR0917 - the standard library's
        self,
        name: str,
        level: int,
        fn: str,
        lno: int,
        msg: object,
        args: Any,  # noqa: ANN401
        exc_info: ExcInfo,
        func: str | None = None,
        extra: Mapping[str, object] | None = None,
        sinfo: str | None = None,
    ) -> logging.LogRecord:
        """Create the record. A key of `extra` becomes an attribute, unless a record has an attribute with this name."""
        record = logging.getLogRecordFactory()(name, level, fn, lno, msg, args, exc_info, func, sinfo)
        if extra:
            attributes = record.__dict__
            if _special.isdisjoint(extra):
                attributes.update(extra)
                attributes["extra_facts"] = extra
            else:
                attributes.update({k: v for k, v in extra.items() if k not in _own_attributes})
                colliding = {k: v for k, v in extra.items() if k in _own_attributes}
                if colliding:
                    facts = extra.get("facts", {})
                    attributes["facts"] = colliding | (facts if isinstance(facts, dict) else {"facts": facts})
        return record


def _log_method(level: int, method: str, **defaults: Any) -> Callable[..., None]:  # noqa: ANN401 - any facts
    """Return the logger's method for one level. One function per level saves a function call per record."""

    def log(self: "EventLogger", event: object = None, /, *args: Any, **facts: Any) -> None:  # noqa: ANN401
        logger: logging.Logger = self._logger
        if logger.isEnabledFor(level):
            self._handle(logger, level, method, event, args, defaults | facts if defaults else facts)

    log.__name__ = log.__qualname__ = method
    return log


class EventLogger(structlog.stdlib.BoundLogger):
    """A structlog logger that creates the record directly: it accepts any key name, and takes half the time.

    Records below WARNING have no source line, because finding it takes longer than writing the record.
    """

    debug = _log_method(logging.DEBUG, "debug")
    info = _log_method(logging.INFO, "info")
    warning = warn = _log_method(logging.WARNING, "warning")
    error = _log_method(logging.ERROR, "error")
    exception = _log_method(logging.ERROR, "exception", exc_info=True)
    critical = fatal = _log_method(logging.CRITICAL, "critical")

    def log(  # type: ignore[override] # any name may be a key
        self,
        level: int,
        event: object = None,
        /,
        *args: Any,  # noqa: ANN401
        **facts: Any,  # noqa: ANN401
    ) -> None:
        """Log at this level, which is a number as in the standard library."""
        _log_method(level, logging.getLevelName(level).lower())(self, event, *args, **facts)

    def _proxy_to_logger(
        self,
        method_name: str,
        event: str | None = None,
        *event_args: str,
        **event_kw: Any,  # noqa: ANN401
    ) -> None:
        # The asynchronous methods of structlog use this method.
        getattr(self, method_name)(event, *event_args, **event_kw)

    def _handle(
        self,
        logger: logging.Logger,
        level: int,
        method: str,
        event: object,
        args: tuple[Any, ...],
        facts: dict[str, Any],
    ) -> None:
        if self._context:
            facts = {**self._context, **facts}
        if self._processors:
            try:
                event, facts = self._run_processors(method, event, facts)
            except structlog.DropEvent:
                return
        exc_info = stack = None
        if not _record_arguments.isdisjoint(facts):
            exc_info = _exc_info(facts.pop("exc_info", None))
            stack = _stack(logger, is_wanted=facts.pop("stack_info", False))
            facts.pop("stacklevel", None)
        path, line, function = ("", 0, None) if level < logging.WARNING else _caller()
        record = logging.getLogRecordFactory()(
            logger.name, level, path, line, "" if event is None else event, args, exc_info, function, stack
        )
        record.__dict__["facts"] = facts
        if logger.filters:
            logger.handle(record)
        else:
            logger.callHandlers(record)

    def _run_processors(self, method: str, event: object, facts: dict[str, Any]) -> tuple[object, dict[str, Any]]:
        event_dict: Any = {"event": event, **{f"extra.{k}" if k == "event" else k: v for k, v in facts.items()}}
        for processor in self._processors:
            event_dict = processor(self._logger, method, event_dict)
        event_dict = dict(event_dict)
        return event_dict.pop("event", ""), event_dict


def _exc_info(given: object) -> ExcInfo:
    if isinstance(given, BaseException):
        return (type(given), given, given.__traceback__)
    if isinstance(given, tuple):
        return given
    return sys.exc_info() if given and sys.exception() is not None else None


def _stack(logger: logging.Logger, *, is_wanted: bool) -> str | None:
    return logger.findCaller(stack_info=True, stacklevel=4)[3] if is_wanted else None


def _caller() -> tuple[str, int, str]:
    """Return the file, line and function that called structlog."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe() is slower
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith((__name__, "structlog.")):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name


class EventRecord(logging.LogRecord):
    """A LogRecord with all attributes of the standard library. Attributes that many records share are cached.

    `logging.LogRecord` finds the process, the level name and the parts of the path for each record. That takes a third
    of the time of a log line. If a process or a level is renamed after its first record, records keep the old name.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the standard library's
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,  # noqa: ANN401
        exc_info: ExcInfo,
        func: str | None = None,
        sinfo: str | None = None,
        **_: object,
    ) -> None:
        # The order is that of the standard library. The attributes of `extra=` follow.
        attributes = _cached_attributes(name, level, pathname).copy()
        attributes["msg"] = msg
        if args:
            # `log.info("%(isbn)s", {"isbn": …})`: the only argument is a mapping.
            is_mapping = len(args) == 1 and isinstance(args[0], Mapping) and args[0]
            attributes["args"] = args[0] if is_mapping else args
        else:
            attributes["args"] = args
        attributes["exc_info"] = exc_info
        attributes["stack_info"] = sinfo
        attributes["lineno"] = lineno
        attributes["funcName"] = func
        attributes["created"] = created = time.time()
        attributes["msecs"] = created % 1 * 1000 // 1
        attributes["relativeCreated"] = (created - _started) * 1000
        if logging.logThreads:
            attributes["thread"] = threading.get_ident()
            attributes["threadName"] = threading.current_thread().name
        if _has_task_name:
            attributes["taskName"] = _task_name()
        self.__dict__ = attributes


@lru_cache(maxsize=2048)
def _cached_attributes(name: str, level: int, pathname: str) -> dict[str, Any]:
    filename = os.path.basename(pathname)  # noqa: PTH119 - a path is text in logging
    return {
        "name": name,
        "msg": None,
        "args": (),
        "levelname": logging.getLevelName(level),
        "levelno": level,
        "pathname": pathname,
        "filename": filename,
        "module": os.path.splitext(filename)[0] or "Unknown module",  # noqa: PTH122
        "exc_info": None,
        "exc_text": None,
        "stack_info": None,
        "lineno": 0,
        "funcName": None,
        "created": 0.0,
        "msecs": 0.0,
        "relativeCreated": 0.0,
        "thread": None,
        "threadName": None,
        "processName": _process_name() if logging.logMultiprocessing else None,
        "process": os.getpid() if logging.logProcesses else None,
    }


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_cached_attributes.cache_clear)


def _process_name() -> str:
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing.current_process().name if multiprocessing else "MainProcess"


def _task_name() -> str | None:
    # Without a running loop, current_task() raises, and an exception takes longer than the rest of this function.
    if not getattr(logging, "logAsyncioTasks", True) or asyncio._get_running_loop() is None:  # noqa: SLF001
        return None
    task = asyncio.current_task()
    return task.get_name() if task else None
