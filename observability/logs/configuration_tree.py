"""The effective logging as a text for a terminal: a tree of loggers, then what the handlers were made of."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

from observability.logs.config import OVERRIDES
from observability.logs.effective.configuration import ROOT, Effective, EffectiveLogger, Value
from observability.logs.effective.probe import LEVELS, LOGGING_PROBE, Probe
from observability.logs.layers.layer import Origin

# A longer value is folded where it has a space; a path has none, and moves the origin of its line to the right.
MAX_VALUE_WIDTH = 60


class Row(NamedTuple):
    """One line: a name, at a depth of the tree, a value, and where that is written."""

    depth: int
    name: str
    value: str = ""
    origin: Origin | str = ""


def tree(effective: Effective, names: Iterable[str] = ()) -> str:
    """The whole of it, or what the records of the loggers with these names meet."""
    chosen = list(names)
    rows = [*_layers(effective), Row(0, ""), Row(0, "LOGGERS", "level, and where records go", "written in")]
    for name in chosen or effective.logger_names():
        rows += _meeting(effective, name) if chosen else _logger(effective, name)
    handlers = _reached(effective, chosen) if chosen else effective.handler_names()
    rows += [Row(0, ""), Row(0, "HANDLERS")]
    for name in handlers:
        rows += _handler(effective, name)
    for section in ("formatters", "filters"):
        used = _used(effective, handlers, section) if chosen else effective.definition_names(section)
        if used:
            rows += [Row(0, ""), Row(0, section.upper())]
        for name in used:
            rows += _definition(name, effective.definition(section, name))
    return aligned(rows)


def _layers(effective: Effective) -> Iterator[Row]:
    yield Row(0, "LAYERS", "each over the ones before")
    source = effective.source
    if source is None:
        yield Row(0, "none", "LOGGING was not made by load_logging")
        return
    for layer in source.layers:
        yield Row(0, layer, str(source.path))
    if source.overrides is not None:
        yield Row(0, OVERRIDES, str(source.overrides))


def aligned(rows: list[Row]) -> str:
    """The rows as lines, in columns."""
    name_width = max(2 * row.depth + len(row.name) for row in rows)
    value_width = min(max(len(row.value) for row in rows), MAX_VALUE_WIDTH)
    lines = []
    for row in rows:
        first, *others = wrap(row.value, MAX_VALUE_WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
        lines.append(f"{'  ' * row.depth + row.name:{name_width}}  {first:{value_width}}  {row.origin}".rstrip())
        lines += [f"{'':{name_width}}  {other}" for other in others]
    return "\n".join(lines)


def _logger(effective: Effective, name: str) -> Iterator[Row]:
    told = effective.logger(name)
    listed = effective.logger_names()
    depth = 0 if name == ROOT else 1 + sum(name.startswith(f"{other}.") for other in listed)
    yield Row(depth, name, _level(name, told), told["level"]["origin"])
    yield from _own_values(depth + 1, told)


def _own_values(depth: int, told: EffectiveLogger) -> Iterator[Row]:
    """What is not as it is without being written: the level stands beside the logger itself."""
    if told["handlers"]["value"]:
        own = [each for each in told["receivers"] if each["handler"] in told["handlers"]["value"]]
        texts = {each["handler"]: _from(each["handler"], each["level"], _own_level(told)) for each in own}
        yield Row(depth, "handlers:", ", ".join(texts.values()), told["handlers"]["origin"])
    if told["filters"]["value"]:
        yield Row(depth, "filters:", ", ".join(map(str, told["filters"]["value"])), told["filters"]["origin"])
    if not told["propagate"]["value"]:
        yield Row(depth, "propagate:", "false", told["propagate"]["origin"])
    if told["disabled"]:
        yield Row(depth, "disabled:", "true: it drops all records", "set by code")


def _own_level(told: EffectiveLogger) -> str:
    return str(told["level"]["value"])


def _from(handler: str, level: str, logger_level: str) -> str:
    return handler if level == logger_level else f"{handler}>={level}"


def _level(name: str, told: EffectiveLogger) -> str:
    inherited = "" if told["level_of"] == name else f" (of {told['level_of']})"
    level = f"{told['level']['value']}{inherited}"
    if name == ROOT:
        return level
    others = [each["through"] for each in told["receivers"] if each["through"] != name]
    beyond = list(dict.fromkeys(others))
    if beyond == [""]:
        return f"{level}, to no handler"
    return f"{level}, to {' and '.join(beyond)}" if beyond else f"{level}, to its own handlers only"


def _meeting(effective: Effective, name: str) -> Iterator[Row]:
    """One logger with all that its records meet."""
    told = effective.logger(name)
    inherited = "" if told["level_of"] == (name or ROOT) else f", inherited from {told['level_of']}"
    yield Row(0, name or ROOT, f"{told['level']['value']}{inherited}", told["level"]["origin"])
    for key in ("filters", "propagate") if name not in ("", ROOT) else ("filters",):
        value: Value = told[key]
        yield Row(1, f"{key}:", _text(value["value"]), value["origin"])
    if told["disabled"]:
        yield Row(1, "disabled:", "true: it drops all records", "set by code")
    for each in told["receivers"]:
        through = effective.logger(each["through"])["handlers"]["origin"] if each["through"] else "default"
        of = "" if each["through"] == name else f", handler of {each['through']}" if each["through"] else ""
        yield Row(1, f"to {each['handler']}", f"from {each['level']}{of}", through)


def probe_table(sent: Probe) -> str:
    """Each handler of a probe, and what became of the record of each level."""
    lines = [["", *LEVELS, ""]]
    for each in sent["arrivals"]:
        outcomes = [each["outcomes"].get(level, "-") for level in LEVELS]
        lines.append([each["handler"], *outcomes, _path(each["file"]) if each["file"] else ""])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    title = f"Sent to {sent['logger']}: {LOGGING_PROBE} of each level, with the probe_id {sent['probe_id']}."
    table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    is_asked = any("would report" in each["outcomes"].values() for each in sent["arrivals"])
    notes = ["", "would report: it takes the record, and was not given it, since a probe is no failure."]
    return "\n".join([title, "", *table, *(notes if is_asked else [])])


def _reached(effective: Effective, names: Iterable[str]) -> list[str]:
    """The handlers that the records of the loggers reach, and those that these pass them on to."""
    waiting = [each["handler"] for name in names for each in effective.logger(name)["receivers"]]
    found: dict[str, None] = {}
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting += effective.handler(name)["passes_on_to"]
    return [name for name in effective.handler_names() if name in found]


def _used(effective: Effective, handlers: Iterable[str], section: str) -> list[str]:
    used: set[str] = set()
    for name in handlers:
        values = effective.handler(name)["values"]
        if section == "formatters" and "formatter" in values:
            used.add(values["formatter"]["value"])
        elif section == "filters" and "filters" in values:
            used.update(values["filters"]["value"])
    return [name for name in effective.definition_names(section) if name in used]


def _handler(effective: Effective, name: str) -> Iterator[Row]:
    told = effective.handler(name)
    yield from _definition(name, told["values"])
    if not told["hangs_on"]:
        yield Row(1, "unused:", "no logger has it")
    written = told["values"].get("target")
    for target in told["passes_on_to"]:
        if written is None or written["value"] != target:
            yield Row(1, "passes on to:", target)


def _definition(name: str, values: dict[str, Value]) -> Iterator[Row]:
    """The class beside the name, the other values below it."""
    first = next((key for key in ("()", "class") if key in values), None)
    yield Row(0, name, _text(values[first]["value"]), values[first]["origin"]) if first else Row(0, name)
    for key, value in values.items():
        if key != first:
            yield Row(
                1, f"{key}:", _path(value["value"]) if key == "filename" else _text(value["value"]), value["origin"]
            )


def _text(value: Any) -> str:  # noqa: ANN401 - any YAML
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or "none"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _path(value: Any) -> str:  # noqa: ANN401 - any YAML
    """A path as one would type it from here."""
    path = Path(str(value))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
