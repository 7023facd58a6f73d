"""The effective logging configuration of this process: each value with its origin, and the handlers of each logger.

The values are read from the loggers and handlers, so they include changes by code after the start. The LOGGING
dictionary adds the origin of each value, and the options with which a handler was created.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from logging.handlers import QueueHandler
from typing import Any, Generic, TypedDict, TypeVar

from observability.logs.config import LayeredLogging
from observability.logs.yaml_layers import Entry, Origin
from observability.redaction import redact

T = TypeVar("T")

ROOT = "root"
LAST_RESORT = "logging.lastResort"
# The origins of values that are not from a file.
SETTINGS = Origin("", 0, "settings")
RUN_TIME = Origin("", 0, "set by code")
DEFAULT = Origin("", 0, "default")


class Value(TypedDict, Generic[T]):
    """A value and its origin. Secrets are redacted."""

    value: T
    origin: Origin


class Receiver(TypedDict):
    """A handler that gets records of a logger of this level and above. `through` is the logger with the handler."""

    handler: str
    through: str
    level: str


class EffectiveLogger(TypedDict):
    """The values that apply to the records of a logger. `level_of` is the logger with the level: itself or a parent."""

    level: Value[str]
    level_of: str
    handlers: Value[list[str]]
    filters: Value[list[str]]
    propagate: Value[bool]
    disabled: bool
    receivers: list[Receiver]


class EffectiveHandler(TypedDict):
    """The options of a handler, in the order of its definition.

    `hangs_on` has the loggers that use the handler, and the handlers that pass records to it. If it is empty, the
    handler gets no records.
    """

    values: dict[str, Value[object]]
    hangs_on: list[str]
    passes_on_to: list[str]


class EffectiveConfiguration:
    """The effective configuration of a process whose logging was configured with a LOGGING dictionary. Read-only."""

    def __init__(self, configured: Mapping[str, Any]) -> None:
        self._configured = configured
        self.source = configured.source if isinstance(configured, LayeredLogging) else None
        self._merged: Entry | None = self.source.merged if self.source else None
        self.live_handlers = {handler_name(handler): handler for handler in find_handlers()}

    def logger_names(self) -> list[str]:
        """Return the loggers with an entry, or with a level, handler or filter set by code. Parents come first."""
        names = {str(name) for name in self._section("loggers")}
        names |= {name for name, logger in logging.root.manager.loggerDict.items() if _is_changed(logger)}
        return [ROOT, *sorted(names - {ROOT, ""}, key=lambda name: name.split("."))]

    def logger(self, name: str) -> EffectiveLogger:
        """Return the values of a logger. A logger without an entry inherits all values."""
        logger = logging.getLogger(None if name in ("", ROOT) else name)
        path = (ROOT,) if logger is logging.root else ("loggers", name)
        holder = next(
            each for each in _with_parents(logger, follows_propagate=False) if each.level or each.parent is None
        )
        holder_path = (ROOT,) if holder is logging.root else ("loggers", holder.name)
        return {
            "level": self._value((*holder_path, "level"), logging.getLevelName(holder.level), "NOTSET"),
            "level_of": holder.name,
            "handlers": self._value((*path, "handlers"), [handler_name(each) for each in logger.handlers], []),
            "filters": self._value((*path, "filters"), self._filter_names(path, logger), []),
            "propagate": self._value((*path, "propagate"), logger.propagate, default=True),
            "disabled": logger.disabled,
            "receivers": _receivers(logger),
        }

    def handler_names(self) -> list[str]:
        """Return the configured handlers in the order of LOGGING, then the handlers that code created."""
        created = [
            name for name, handler in self.live_handlers.items() if handler.name or not _is_null_handler(handler)
        ]
        return list({str(name): None for name in self._section("handlers")} | dict.fromkeys(created))

    def handler(self, name: str) -> EffectiveHandler:
        """Return the options of a handler. For an unused handler these are only the options of its definition."""
        handler = self.live_handlers.get(name)
        values = self.definition("handlers", name)
        if handler is None:
            return {"values": values, "hangs_on": [], "passes_on_to": []}
        origin = DEFAULT if values else RUN_TIME
        if "()" not in values:
            values.setdefault("class", {"value": _class_name(handler), "origin": origin})
        level = logging.getLevelName(handler.level)
        values["level"] = self._value(("handlers", name, "level"), level, "NOTSET")
        if isinstance(handler, logging.FileHandler):
            values.setdefault("filename", {"value": handler.baseFilename, "origin": origin})
        elif isinstance(handler, logging.StreamHandler):
            values.setdefault("stream", {"value": getattr(handler.stream, "name", "unknown"), "origin": origin})
        return {"values": values, "hangs_on": self._users(handler), "passes_on_to": self._target_names(handler)}

    def definition_names(self, section: str) -> list[str]:
        """Return the names in a section, for example `formatters`, in the order of LOGGING."""
        return [str(name) for name in self._section(section)]

    def definition(self, section: str, name: str) -> dict[str, Value[object]]:
        """Return the values of an entry of a section."""
        entry = self._section(section).get(name, {})
        return {str(key): self._value((section, name, key), value, None) for key, value in entry.items()}

    def _users(self, handler: logging.Handler) -> list[str]:
        loggers = [logging.root, *logging.root.manager.loggerDict.values()]
        users = [each.name for each in loggers if isinstance(each, logging.Logger) and handler in each.handlers]
        name = handler_name(handler)
        return users + [other for other, each in self.live_handlers.items() if name in self._target_names(each)]

    def _target_names(self, handler: logging.Handler) -> list[str]:
        """Return the names of the handlers to which a handler passes its records."""
        defined = self._find(("handlers", handler_name(handler), "target"))
        targets = _targets(handler) or ([defined] if isinstance(defined, str) else [])
        return [
            handler_name(each) if isinstance(each, logging.Handler) else each.removeprefix("cfg://handlers.")
            for each in targets
        ]

    def _filter_names(self, path: tuple[str, ...], logger: logging.Logger) -> list[str]:
        """Return the names from the configuration, because filter objects have no name."""
        entry = self._find(path)
        names = list(entry.get("filters") or []) if isinstance(entry, Mapping) else []
        return names if len(names) == len(logger.filters) else [_class_name(each) for each in logger.filters]

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self._configured.get(name) or {}
        return section if isinstance(section, Mapping) else {}

    def _find(self, path: Iterable[str]) -> object:
        value: object = self._configured
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def _value(self, path: tuple[str, ...], value: T, default: T) -> Value[T]:
        return {"value": redact(value, path[-1]), "origin": self._origin(path, value, default)}

    def _origin(self, path: tuple[str, ...], value: object, default: object) -> Origin:
        entry = self._merged.find(*path) if self._merged is not None else None
        if entry is not None and _is_same(entry.to_plain(), value):
            return entry.origin
        configured = self._find(path)
        if configured is not None and _is_same(configured, value):
            return SETTINGS
        return DEFAULT if value == default else RUN_TIME


class EffectiveDocument(TypedDict):
    """The JSON document of `manage.py logging --json`, without its key `probe`.

    An origin is `{"file": "logging.yaml", "line": 42, "layer": "base"}`. If a value is not from a file, the file and
    the line are null, and the layer is `settings`, `set by code` or `default`.
    """

    file: str | None
    layers: list[str]
    overrides: str | None
    loggers: dict[str, EffectiveLogger]
    handlers: dict[str, EffectiveHandler]
    formatters: dict[str, dict[str, Value[object]]]
    filters: dict[str, dict[str, Value[object]]]


def to_dict(effective: EffectiveConfiguration, names: Iterable[str] = ()) -> dict[str, Any]:
    """Return the configuration as JSON data (`EffectiveDocument`). With names, only these loggers are included."""
    source = effective.source
    document: EffectiveDocument = {
        "file": str(source.path) if source else None,
        "layers": list(source.names) if source else [],
        "overrides": str(source.overrides) if source and source.overrides else None,
        "loggers": {name: effective.logger(name) for name in list(names) or effective.logger_names()},
        "handlers": {name: effective.handler(name) for name in effective.handler_names()},
        "formatters": {
            name: effective.definition("formatters", name) for name in effective.definition_names("formatters")
        },
        "filters": {name: effective.definition("filters", name) for name in effective.definition_names("filters")},
    }
    result: dict[str, Any] = _to_json_data(document)
    return result


def find_handlers() -> list[logging.Handler]:
    """Return the handlers of all loggers, the handlers to which they pass records, and all handlers with a name."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    waiting = [handler for each in loggers if isinstance(each, logging.Logger) for handler in each.handlers]
    # Some handlers find their target by its name. getHandlerByName() exists only since Python 3.12.
    waiting += vars(logging)["_handlers"].values()
    handlers: dict[int, logging.Handler] = {}
    while waiting:
        handler = waiting.pop(0)
        if id(handler) not in handlers:
            handlers[id(handler)] = handler
            waiting += [target for target in _targets(handler) if isinstance(target, logging.Handler)]
    return list(handlers.values())


def handler_name(handler: logging.Handler) -> str:
    """Return the name of a handler in the configuration, or its class name if code created it without a name."""
    return LAST_RESORT if handler is logging.lastResort else handler.name or _class_name(handler)


def _receivers(logger: logging.Logger) -> list[Receiver]:
    """Return the handlers that get records of a logger. Its own handlers come first."""
    level = logger.getEffectiveLevel()
    receivers: list[Receiver] = [
        {"handler": handler_name(each), "through": holder.name, "level": _highest_level_name(level, each.level)}
        for holder in _with_parents(logger, follows_propagate=True)
        for each in holder.handlers
    ]
    if not receivers and logging.lastResort is not None:
        # If no handler gets a record, the standard library writes it to stderr.
        receivers.append(
            {"handler": LAST_RESORT, "through": "", "level": _highest_level_name(level, logging.lastResort.level)}
        )
    return receivers


def _targets(handler: logging.Handler | None) -> list[logging.Handler | str]:
    """Return the handlers to which a handler passes records. A handler that is found by name is a name here."""
    target = getattr(handler, "target", None)
    if isinstance(target, logging.Handler | str):
        return [target]
    listener = getattr(handler, "listener", None)
    return list(listener.handlers) if isinstance(handler, QueueHandler) and listener is not None else []


def _with_parents(logger: logging.Logger, *, follows_propagate: bool) -> Iterator[logging.Logger]:
    """Yield the logger and its parents. With `follows_propagate`, stop at a logger that does not propagate."""
    holder: logging.Logger | None = logger
    while holder is not None:
        yield holder
        holder = holder.parent if holder.propagate or not follows_propagate else None


def _highest_level_name(*levels: int) -> str:
    return str(logging.getLevelName(max(levels)))


def _class_name(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _is_changed(logger: logging.Logger | logging.PlaceHolder) -> bool:
    if not isinstance(logger, logging.Logger):
        return False
    handlers = [each for each in logger.handlers if not _is_null_handler(each)]
    return bool(handlers or logger.filters or logger.level or logger.disabled or not logger.propagate)


def _is_null_handler(handler: logging.Handler) -> bool:
    """Return whether this is a NullHandler, which libraries add so that their loggers write nothing by default."""
    return isinstance(handler, logging.NullHandler)


def _is_same(configured: object, value: object) -> bool:
    """Return whether a value equals the configured one. A level may be configured as a number."""
    return bool(configured == value) or (isinstance(configured, int) and logging.getLevelName(configured) == value)


def _to_json_data(value: object) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, Origin):
        return {"file": value.file or None, "line": value.line or None, "layer": value.layer}
    if isinstance(value, Mapping):
        return {str(key): _to_json_data(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_json_data(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)
