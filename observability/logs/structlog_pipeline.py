"""From `log.info("book_imported", isbn=…)`, of structlog or of the standard library, to a record.

Both make records of the standard library, which `logging.yaml` filters and writes. What a caller gives as keys never
raises: structlog's keys stand together in the record's attribute `facts`, where they cannot collide with its own, and
`extra={"name": …}` of the standard library, a KeyError otherwise, is kept there too.
"""

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import structlog

from observability.core.observation import Observation
from observability.logs.event_record import EventRecord
from observability.recorders.log_records import RESERVED

ExcInfo: TypeAlias = Any

_record_arguments = frozenset({"exc_info", "stack_info", "stacklevel"})
_own_attributes = frozenset(logging.makeLogRecord({}).__dict__) | {"asctime", "bound_facts", "extra_facts", "message"}
_special = _own_attributes | RESERVED


def configure_structlog() -> None:
    """Let structlog's loggers end as records of the standard library; processors that a service adds run before."""
    structlog.configure(
        processors=[],
        context_class=dict,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=EventLogger,
        cache_logger_on_first_use=True,
    )
    # The factory sets a class of its own.
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
    """Log what a reader has to say about an observation, which may not be the current one."""
    if logger.isEnabledFor(level):
        record = logging.getLogRecordFactory()(logger.name, level, "", 0, event, (), exc_info)
        record.__dict__["facts"] = facts
        record.__dict__["observation"] = observation
        if logger.filters:
            logger.handle(record)
        else:
            logger.callHandlers(record)


class ExtraLogger(logging.Logger):
    """A logger of the standard library whose `extra=` may hold any key; one that a record has itself is a fact."""

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
        """The record, with the keys of `extra` as attributes but for those that it has itself."""
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


def _logs(level: int, method: str, **defaults: Any) -> Callable[..., None]:  # noqa: ANN401 - any facts
    """The method of a logger for one level; a function for each saves every record a call."""

    def log(self: "EventLogger", event: object = None, /, *args: Any, **facts: Any) -> None:  # noqa: ANN401
        logger: logging.Logger = self._logger
        if logger.isEnabledFor(level):
            self._handle(logger, level, method, event, args, defaults | facts if defaults else facts)

    log.__name__ = log.__qualname__ = method
    return log


class EventLogger(structlog.stdlib.BoundLogger):
    """structlog's logger, which makes the record itself: any name may be a key, and a record costs half as much.

    Below WARNING a record does not know the line of code that logged it: to look for it costs more than to write it.
    """

    debug = _logs(logging.DEBUG, "debug")
    info = _logs(logging.INFO, "info")
    warning = warn = _logs(logging.WARNING, "warning")
    error = _logs(logging.ERROR, "error")
    exception = _logs(logging.ERROR, "exception", exc_info=True)
    critical = fatal = _logs(logging.CRITICAL, "critical")

    def log(  # type: ignore[override] # any name may be a key
        self,
        level: int,
        event: object = None,
        /,
        *args: Any,  # noqa: ANN401
        **facts: Any,  # noqa: ANN401
    ) -> None:
        """A record of this level, a number as in the standard library."""
        _logs(level, logging.getLevelName(level).lower())(self, event, *args, **facts)

    def _proxy_to_logger(
        self,
        method_name: str,
        event: str | None = None,
        *event_args: str,
        **event_kw: Any,  # noqa: ANN401
    ) -> None:
        # What structlog's asynchronous methods call.
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
                event, facts = self._processed(method, event, facts)
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

    def _processed(self, method: str, event: object, facts: dict[str, Any]) -> tuple[object, dict[str, Any]]:
        event_dict: Any = {"event": event, **{f"extra.{k}" if k == "event" else k: v for k, v in facts.items()}}
        for processor in self._processors:
            event_dict = processor(self._logger, method, event_dict)
        event_dict = dict(event_dict)
        return event_dict.pop("event", ""), event_dict


def _exc_info(given: Any) -> ExcInfo:  # noqa: ANN401 - whatever a caller passes
    if isinstance(given, BaseException):
        return (type(given), given, given.__traceback__)
    if isinstance(given, tuple):
        return given
    return sys.exc_info() if given and sys.exception() is not None else None


def _stack(logger: logging.Logger, *, is_wanted: bool) -> str | None:
    return logger.findCaller(stack_info=True, stacklevel=4)[3] if is_wanted else None


def _caller() -> tuple[str, int, str]:
    """The file, line and function that called this module and structlog."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe() says the same, slower
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith((__name__, "structlog.")):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
