"""The logging of this process as it is, each value with the place that it comes from.

The loggers and handlers are asked themselves: what code changed after the start is told as such. The configuration says
where a value is written, and what a handler was made of.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from observability.logs.config import LayeredLogging
from observability.logs.effective.routes import (
    Receiver,
    class_name,
    handler_name,
    is_silent,
    live_handlers,
    receivers,
    target_name,
    targets_of,
    upwards,
)
from observability.logs.layers.layer import Entry, Origin
from observability.redaction import redact

ROOT = "root"
SETTINGS = Origin("", 0, "settings")
RUN_TIME = Origin("", 0, "set by code")
DEFAULT = Origin("", 0, "default")


class Value(TypedDict):
    """A value and its origin; secrets are redacted."""

    value: Any
    origin: Origin


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
        holder = next(each for each in upwards(logger, follows_propagate=False) if each.level or each.parent is None)
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
        made = [name for name, handler in self.live.items() if handler.name or not is_silent(handler)]
        return list({str(name): None for name in self._section("handlers")} | dict.fromkeys(made))

    def handler(self, name: str) -> EffectiveHandler:
        """What a handler was made of; one that hangs on no logger is told as it is written."""
        live = self.live.get(name)
        values = self.definition("handlers", name)
        if live is None:
            return {"values": values, "hangs_on": [], "passes_on_to": []}
        origin = DEFAULT if values else RUN_TIME
        if "()" not in values:
            values.setdefault("class", {"value": class_name(live), "origin": origin})
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
        return [target_name(each) for each in found]

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
        return names if len(names) == len(logger.filters) else [class_name(each) for each in logger.filters]

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


def _is_changed(logger: logging.Logger | logging.PlaceHolder) -> bool:
    if not isinstance(logger, logging.Logger):
        return False
    handlers = [each for each in logger.handlers if not is_silent(each)]
    return bool(handlers or logger.filters or logger.level or logger.disabled or not logger.propagate)


def _is_same(written: Any, value: Any) -> bool:  # noqa: ANN401 - any YAML
    """Whether a value is the one that is written; a level may be written as its number."""
    return bool(written == value) or (isinstance(written, int) and logging.getLevelName(written) == value)


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
