"""Mistakes in a logging configuration, each with its line.

`logging.config.dictConfig` ends with a bare "Unable to configure handler 'service'", at the first one. What can be told
without making a handler is told here: at the start by `load_logging`, and for layers that are not in use by the checks.
"""

import logging
from collections.abc import Iterator
from typing import Any

from observability.logs.layers.factories import check_factory, targets
from observability.logs.layers.layer import Entry
from observability.logs.layers.mistake import UNKNOWN_LEVEL, UNKNOWN_NAME, WRONG_SHAPE, Mistake, is_reference, nearest

SECTIONS = ("formatters", "filters", "handlers", "loggers")
TOP_KEYS = ("version", "root", "disable_existing_loggers", "incremental", *SECTIONS)
LOGGER_KEYS = ("level", "handlers", "filters", "propagate")


def mistakes(merged: Entry) -> list[Mistake]:
    """What dictConfig would refuse, or leave unread, of all layers that were merged."""
    found = [*_top(merged)]
    for name, entry in _section(merged, "loggers").items():
        found += _logger(merged, entry, f"the logger {name!r}")
    root = merged.at("root")
    if root is not None:
        found += _logger(merged, root, "the root logger")
    for name, entry in _section(merged, "handlers").items():
        found += _handler(merged, name, entry)
    for section in ("formatters", "filters"):
        for name, entry in _section(merged, section).items():
            found += _definition(section, name, entry)
    return found


def _section(merged: Entry, name: str) -> dict[Any, Entry]:
    section = merged.at(name)
    return section.items() if section is not None else {}


def _top(merged: Entry) -> Iterator[Mistake]:
    version = merged.at("version")
    if version is None or version.value != 1:
        origin = (version or merged).origin
        yield Mistake(WRONG_SHAPE, origin, "a LOGGING dictionary has the version 1.", "Write `version: 1` into base.")
    # `cfg://` may refer to a section of any name.
    sections = [key for key in merged.items() if key in TOP_KEYS]
    referred = {name.removeprefix("cfg://").split(".")[0].split("[")[0] for name in _references(merged.plain())}
    for key, entry in merged.items().items():
        if key not in TOP_KEYS and key not in referred:
            hint = f"{nearest(key, TOP_KEYS)} The overrides are a layer themselves, and have these without its name."
            yield Mistake(WRONG_SHAPE, entry.origin, f"a layer has no {key!r}.", hint)
    for key in {*sections} & {*SECTIONS, "root"}:
        entry = merged.items()[key]
        if not isinstance(entry.value, dict):
            yield _no_mapping(entry, f"{key!r}")


def _references(value: Any) -> Iterator[str]:  # noqa: ANN401 - any YAML
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _references(item)
    elif isinstance(value, str) and value.startswith("cfg://"):
        yield value


def _logger(merged: Entry, entry: Entry, who: str) -> Iterator[Mistake]:
    if not isinstance(entry.value, dict):
        yield _no_mapping(entry, who)
        return
    for key, value in entry.items().items():
        if key not in LOGGER_KEYS:
            yield Mistake(WRONG_SHAPE, value.origin, f"{who} has the unknown key {key!r}.", nearest(key, LOGGER_KEYS))
    yield from _level(entry, who)
    yield from _names(merged, "handlers", entry.at("handlers"), who)
    yield from _names(merged, "filters", entry.at("filters"), who)
    propagate = entry.at("propagate")
    if propagate is not None and not isinstance(propagate.value, bool):
        message = f"{who} has the value {propagate.value!r} for propagate."
        yield Mistake(WRONG_SHAPE, propagate.origin, message, "Write true or false, without quotes.")


def _handler(merged: Entry, name: str, entry: Entry) -> Iterator[Mistake]:
    who = f"the handler {name!r}"
    if not isinstance(entry.value, dict):
        yield _no_mapping(entry, who)
        return
    yield from check_factory("handlers", entry, who)
    yield from _level(entry, who)
    yield from _names(merged, "filters", entry.at("filters"), who)
    formatter = entry.at("formatter")
    if formatter is not None:
        yield from _name(merged, "formatters", formatter.value, formatter, who)
    for target, written in targets(entry):
        yield from _name(merged, "handlers", target, written, who)
        if target == name:
            hint = "Name the handler that is to write."
            yield Mistake(UNKNOWN_NAME, written.origin, f"{who} passes its records on to itself.", hint)


def _definition(section: str, name: str, entry: Entry) -> Iterator[Mistake]:
    who = f"the {section[:-1]} {name!r}"
    if isinstance(entry.value, dict):
        yield from check_factory(section, entry, who)
    else:
        yield _no_mapping(entry, who)


def _level(entry: Entry, who: str) -> Iterator[Mistake]:
    level = entry.at("level")
    names = logging.getLevelNamesMapping()
    if level is None or is_reference(level.value) or (isinstance(level.value, str) and level.value in names):
        return
    if not isinstance(level.value, int) or isinstance(level.value, bool):
        written = str(level.value).upper()
        hint = nearest(written, names)
        yield Mistake(UNKNOWN_LEVEL, level.origin, f"{who} has the unknown level {level.value!r}.", hint)


def _names(merged: Entry, section: str, entry: Entry | None, who: str) -> Iterator[Mistake]:
    if entry is None or is_reference(entry.value):
        return
    if not isinstance(entry.value, list):
        message = f"{who} has {section} that are no list: {entry.plain()!r}."
        yield Mistake(WRONG_SHAPE, entry.origin, message, f"Write {section}: [name, name].")
        return
    for name in entry.value:
        yield from _name(merged, section, name, entry, who)


def _name(merged: Entry, section: str, name: Any, entry: Entry, who: str) -> Iterator[Mistake]:  # noqa: ANN401
    known = _section(merged, section)
    if is_reference(name) or (isinstance(name, str) and name in known):
        return
    what = f"the {section[:-1]} {name!r}"
    taken = _taken_away(merged, section, name)
    if taken is None:
        yield Mistake(UNKNOWN_NAME, entry.origin, f"{who} names {what}, which there is not.", nearest(name, known))
    else:
        message = f"{who} names {what}, which the layer {taken.origin.layer!r} takes away in {taken.origin.place}."
        yield Mistake(UNKNOWN_NAME, entry.origin, message, f"Give {who} other {section} in that layer too.")


def _taken_away(merged: Entry, section: str, name: object) -> Entry | None:
    entries: Entry | None = merged.at(section)
    if entries is None or not isinstance(entries.value, dict) or not isinstance(name, str):
        return None
    return entries.value.get(name)


def _no_mapping(entry: Entry, who: str) -> Mistake:
    return Mistake(WRONG_SHAPE, entry.origin, f"{who} is no mapping: {entry.value!r}.", "Write its keys and values.")
