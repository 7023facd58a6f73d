"""The logging of this process as it is, each value with the place that it comes from.

The loggers and handlers are asked themselves: what code changed after the start is told as such. The configuration says
where a value is written, and what a handler was made of.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from logging.handlers import QueueHandler
from typing import Any, TypedDict

from observability.logs.config import LayeredLogging
from observability.logs.layers import Entry, Origin
from observability.redaction import redact

ROOT = "root"
LAST_RESORT = "logging.lastResort"
SETTINGS = Origin("", 0, "settings")
RUN_TIME = Origin("", 0, "set by code")
DEFAULT = Origin("", 0, "default")


class Value(TypedDict):
    """A value and its origin; secrets are redacted."""

    value: Any
    origin: Origin


class Receiver(TypedDict):
    """A handler that gets the records of a logger from a level on; `through` is the logger that it hangs on."""

    handler: str
    through: str
    level: str


class EffectiveLogger(TypedDict):
    """What a record of a logger meets. `level_of` is the logger whose level holds, the same one or one above it."""

    level: Value
    level_of: str
    handlers: Value
    filters: Value
    propagate: Value
    disabled: bool
    receivers: list[Receiver]


class EffectiveHandler(TypedDict):
    """What a handler was made of, in the order in which it is written.

    `hangs_on` are the loggers that have it, and the handlers that pass records on to it: none, and it gets nothing.
    """

    values: dict[str, Value]
    hangs_on: list[str]
    passes_on_to: list[str]


class Effective:
    """The logging of this process, of which a LOGGING dictionary was the beginning; nothing is changed by asking."""

    def __init__(self, configured: Mapping[str, Any]) -> None:
        self._configured = configured
        self.source = configured.source if isinstance(configured, LayeredLogging) else None
        self._merged: Entry | None = self.source.merged if self.source else None
        self.live = {handler_name(handler): handler for handler in live_handlers()}

    def logger_names(self) -> list[str]:
        """The loggers that have an entry, or got a level, a handler or a filter by code; parents before children."""
        names = {str(name) for name in self._section("loggers")}
        names |= {name for name, logger in logging.root.manager.loggerDict.items() if _is_changed(logger)}
        return [ROOT, *sorted(names - {ROOT, ""}, key=lambda name: name.split("."))]

    def logger(self, name: str) -> EffectiveLogger:
        """What a record of this logger meets; one without an entry inherits all."""
        logger = logging.getLogger(None if name in ("", ROOT) else name)
        path = (ROOT,) if logger is logging.root else ("loggers", name)
        holder = next(each for each in _upwards(logger, follows_propagate=False) if each.level or each.parent is None)
        holder_path = (ROOT,) if holder is logging.root else ("loggers", holder.name)
        return {
            "level": self._value((*holder_path, "level"), logging.getLevelName(holder.level), "NOTSET"),
            "level_of": holder.name,
            "handlers": self._value((*path, "handlers"), [handler_name(each) for each in logger.handlers], []),
            "filters": self._value((*path, "filters"), self._filter_names(path, logger), []),
            "propagate": self._value((*path, "propagate"), logger.propagate, default=True),
            "disabled": logger.disabled,
            "receivers": receivers(logger),
        }

    def handler_names(self) -> list[str]:
        """The handlers that are configured, in their order, and those that code made."""
        made = [name for name, handler in self.live.items() if handler.name or not _is_silent(handler)]
        return list({str(name): None for name in self._section("handlers")} | dict.fromkeys(made))

    def handler(self, name: str) -> EffectiveHandler:
        """What a handler was made of; one that hangs on no logger is told as it is written."""
        live = self.live.get(name)
        values = self.definition("handlers", name)
        if live is None:
            return {"values": values, "hangs_on": [], "passes_on_to": []}
        origin = DEFAULT if values else RUN_TIME
        if "()" not in values:
            values.setdefault("class", {"value": _class_name(live), "origin": origin})
        level = logging.getLevelName(live.level)
        values["level"] = self._value(("handlers", name, "level"), level, "NOTSET")
        if isinstance(live, logging.FileHandler):
            values.setdefault("filename", {"value": live.baseFilename, "origin": origin})
        elif isinstance(live, logging.StreamHandler):
            values.setdefault("stream", {"value": getattr(live.stream, "name", "unknown"), "origin": origin})
        return {"values": values, "hangs_on": self._holders(live), "passes_on_to": self._targets(live)}

    def _holders(self, handler: logging.Handler) -> list[str]:
        loggers = [logging.root, *logging.root.manager.loggerDict.values()]
        found = [each.name for each in loggers if isinstance(each, logging.Logger) and handler in each.handlers]
        name = handler_name(handler)
        return found + [other for other, each in self.live.items() if name in self._targets(each)]

    def _targets(self, handler: logging.Handler) -> list[str]:
        """The names of the handlers to which a handler passes records on, or the one that is written for it."""
        written = self._written(("handlers", handler_name(handler), "target"))
        found = targets_of(handler) or ([written] if isinstance(written, str) else [])
        return [_target_name(each) for each in found]

    def definition_names(self, section: str) -> list[str]:
        """The names of a section, such as `formatters`, in their order."""
        return [str(name) for name in self._section(section)]

    def definition(self, section: str, name: str) -> dict[str, Value]:
        """What an entry of a section says."""
        entry = self._section(section).get(name, {})
        return {str(key): self._value((section, name, key), value, None) for key, value in entry.items()}

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self._configured.get(name) or {}
        return section if isinstance(section, Mapping) else {}

    def _filter_names(self, path: tuple[str, ...], logger: logging.Logger) -> list[str]:
        """The names that were configured; the objects themselves have none."""
        written = self._written(path)
        names = list(written.get("filters") or []) if isinstance(written, Mapping) else []
        return names if len(names) == len(logger.filters) else [_class_name(each) for each in logger.filters]

    def _written(self, path: Iterable[str]) -> Any:  # noqa: ANN401 - any YAML
        value: Any = self._configured
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def _value(self, path: tuple[str, ...], value: Any, default: Any) -> Value:  # noqa: ANN401 - any YAML
        return {"value": redact(value, path[-1]), "origin": self._origin(path, value, default)}

    def _origin(self, path: tuple[str, ...], value: Any, default: Any) -> Origin:  # noqa: ANN401 - any YAML
        entry = self._merged.at(*path) if self._merged is not None else None
        if entry is not None and _is_same(entry.plain(), value):
            return entry.origin
        written = self._written(path)
        if written is not None and _is_same(written, value):
            return SETTINGS
        return DEFAULT if value == default else RUN_TIME


def receivers(logger: logging.Logger) -> list[Receiver]:
    """The handlers that get the records of a logger, from which level on; its own first."""
    level = logger.getEffectiveLevel()
    found: list[Receiver] = [
        {"handler": handler_name(each), "through": holder.name, "level": _highest(level, each.level)}
        for holder in _upwards(logger, follows_propagate=True)
        for each in holder.handlers
    ]
    if not found and logging.lastResort is not None:
        # A record that no handler gets is written to stderr by the standard library.
        found.append({"handler": LAST_RESORT, "through": "", "level": _highest(level, logging.lastResort.level)})
    return found


def live_handlers() -> list[logging.Handler]:
    """The handlers that hang on a logger of this process, those that they pass records on to, and all with a name."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    waiting = [handler for each in loggers if isinstance(each, logging.Logger) for handler in each.handlers]
    # Python has getHandlerByName() from 3.12 on. A handler may look the one it passes records on to up by its name.
    waiting += vars(logging)["_handlers"].values()
    found: dict[int, logging.Handler] = {}
    while waiting:
        handler = waiting.pop(0)
        if id(handler) not in found:
            found[id(handler)] = handler
            waiting += [target for target in targets_of(handler) if isinstance(target, logging.Handler)]
    return list(found.values())


def targets_of(handler: logging.Handler | None) -> list[logging.Handler | str]:
    """The handlers to which a handler passes records on, or the name of one that it looks up itself."""
    target = getattr(handler, "target", None)
    if isinstance(target, logging.Handler | str):
        return [target]
    listener = getattr(handler, "listener", None)
    return list(listener.handlers) if isinstance(handler, QueueHandler) and listener is not None else []


def handler_name(handler: logging.Handler) -> str:
    """The name in the configuration; a handler that code made has none and is told by its class."""
    return LAST_RESORT if handler is logging.lastResort else handler.name or _class_name(handler)


def _target_name(target: logging.Handler | str) -> str:
    return handler_name(target) if isinstance(target, logging.Handler) else target.removeprefix("cfg://handlers.")


def _class_name(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _upwards(logger: logging.Logger, *, follows_propagate: bool) -> Iterator[logging.Logger]:
    """The logger and those above it; only as far as its records go, where it follows `propagate`."""
    holder: logging.Logger | None = logger
    while holder is not None:
        yield holder
        holder = holder.parent if holder.propagate or not follows_propagate else None


def _is_changed(logger: logging.Logger | logging.PlaceHolder) -> bool:
    if not isinstance(logger, logging.Logger):
        return False
    handlers = [each for each in logger.handlers if not _is_silent(each)]
    return bool(handlers or logger.filters or logger.level or logger.disabled or not logger.propagate)


def _is_silent(handler: logging.Handler) -> bool:
    """Whether it is what libraries hang on their logger to say nothing."""
    return isinstance(handler, logging.NullHandler)


def _is_same(written: Any, value: Any) -> bool:  # noqa: ANN401 - any YAML
    """Whether a value is the one that is written; a level may be written as its number."""
    return bool(written == value) or (isinstance(written, int) and logging.getLevelName(written) == value)


def _highest(*levels: int) -> str:
    return str(logging.getLevelName(max(levels)))


def document(effective: Effective, names: Iterable[str] = ()) -> dict[str, Any]:
    """All of it as JSON has it; with names, of the loggers these alone.

        file, overrides   paths, None for none; layers: the names in use, the lowest first
        loggers           name: EffectiveLogger
        handlers          name: EffectiveHandler
        formatters        name: {key: Value}; filters likewise

    An origin is `{"file": "logging.yaml", "line": 42, "layer": "base"}`; what is in no file has neither file nor line,
    and the layer `settings`, `set by code` or `default`.
    """
    source = effective.source
    told: dict[str, Any] = {
        "file": str(source.path) if source else None,
        "layers": list(source.layers) if source else [],
        "overrides": str(source.overrides) if source and source.overrides else None,
        "loggers": {name: effective.logger(name) for name in list(names) or effective.logger_names()},
        "handlers": {name: effective.handler(name) for name in effective.handler_names()},
    }
    for section in ("formatters", "filters"):
        told[section] = {name: effective.definition(section, name) for name in effective.definition_names(section)}
    result: dict[str, Any] = _jsonable(told)
    return result


def _jsonable(value: Any) -> Any:  # noqa: ANN401 - any YAML
    if isinstance(value, Origin):
        return {"file": value.file or None, "line": value.line or None, "layer": value.layer}
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)
