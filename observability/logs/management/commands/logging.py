"""Show the effective logging configuration: loggers, handlers, and the line that each value comes from."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from observability.logs.config import OVERRIDES
from observability.logs.effective_configuration import (
    ROOT,
    EffectiveConfiguration,
    EffectiveLogger,
    Value,
    to_dict,
)
from observability.logs.levels import LEVELS
from observability.logs.logging_probe import LOGGING_PROBE, Probe, send_probe
from observability.logs.yaml_layers import Origin

# A longer value is wrapped at spaces. A path has none: it moves the origin of its line to the right.
MAX_VALUE_WIDTH = 60


class Command(BaseCommand):
    """Run without the system checks: the command helps to fix what they report.

    `--json` prints one object: `EffectiveDocument`, and under `probe` the result of `--probe` (`Probe`) or null. The
    exit status is 1 if a handler lost a record of the probe.
    """

    help = "Print the effective logging configuration: loggers, handlers, and the file, line and layer of each value."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "loggers", nargs="*", metavar="LOGGER", help="show only these loggers and the handlers that they reach"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument(
            "--probe",
            metavar="LOGGER",
            help="send a record of each level through this logger, and show where each one arrived",
        )

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        effective = EffectiveConfiguration(settings.LOGGING)
        probe = send_probe(options["probe"]) if options["probe"] is not None else None
        if options["json"]:
            document = {**to_dict(effective, options["loggers"]), "probe": probe}
            self.stdout.write(json.dumps(document, indent=2))
        elif probe is not None:
            self.stdout.write(render_probe(probe))
        else:
            self.stdout.write(render_tree(effective, options["loggers"]))
        if probe is not None:
            require_arrival(probe)


def require_arrival(probe: Probe) -> None:
    """Raise `CommandError` if a handler lost a record of the probe."""
    failed = [each["handler"] for each in probe["arrivals"] if {"lost", "failed"} & set(each["outcomes"].values())]
    if failed:
        raise CommandError(f"Records were lost by {', '.join(failed)}. Check free disk space and file permissions.")


class Row(NamedTuple):
    """One line: a name at a depth of the tree, a value, and the origin of the value."""

    depth: int
    name: str
    value: str = ""
    origin: Origin | str = ""


def render_tree(effective: EffectiveConfiguration, names: Iterable[str] = ()) -> str:
    """Render the whole configuration, or with names the loggers and handlers that their records pass."""
    chosen = list(names)
    rows = [*_layers(effective), Row(0, ""), Row(0, "LOGGERS", "level, and where records go", "defined in")]
    for name in chosen or effective.logger_names():
        rows += _chosen_logger(effective, name) if chosen else _logger(effective, name)
    handlers = _reached_handlers(effective, chosen) if chosen else effective.handler_names()
    rows += [Row(0, ""), Row(0, "HANDLERS")]
    for name in handlers:
        rows += _handler(effective, name)
    for section in ("formatters", "filters"):
        used = _used_definitions(effective, handlers, section) if chosen else effective.definition_names(section)
        if used:
            rows += [Row(0, ""), Row(0, section.upper())]
        for name in used:
            rows += _definition(name, effective.definition(section, name))
    return _align(rows)


def _layers(effective: EffectiveConfiguration) -> Iterator[Row]:
    yield Row(0, "LAYERS", "each merged over the ones before")
    source = effective.source
    if source is None:
        yield Row(0, "none", "LOGGING was not built by load_logging")
        return
    for layer in source.names:
        yield Row(0, layer, str(source.path))
    if source.overrides is not None:
        yield Row(0, OVERRIDES, str(source.overrides))


def _logger(effective: EffectiveConfiguration, name: str) -> Iterator[Row]:
    logger = effective.logger(name)
    listed = effective.logger_names()
    depth = 0 if name == ROOT else 1 + sum(name.startswith(f"{other}.") for other in listed)
    yield Row(depth, name, _level(name, logger), logger["level"]["origin"])
    yield from _own_values(depth + 1, logger)


def _own_values(depth: int, logger: EffectiveLogger) -> Iterator[Row]:
    """Yield the values that are not the defaults. The level is in the row of the logger itself."""
    if logger["handlers"]["value"]:
        own = [each for each in logger["receivers"] if each["handler"] in logger["handlers"]["value"]]
        texts = {each["handler"]: _from(each["handler"], each["level"], _own_level(logger)) for each in own}
        yield Row(depth, "handlers:", ", ".join(texts.values()), logger["handlers"]["origin"])
    if logger["filters"]["value"]:
        yield Row(depth, "filters:", ", ".join(map(str, logger["filters"]["value"])), logger["filters"]["origin"])
    if not logger["propagate"]["value"]:
        yield Row(depth, "propagate:", "false", logger["propagate"]["origin"])
    if logger["disabled"]:
        yield Row(depth, "disabled:", "true: drops all records", "set by code")


def _own_level(logger: EffectiveLogger) -> str:
    return str(logger["level"]["value"])


def _from(handler: str, level: str, logger_level: str) -> str:
    return handler if level == logger_level else f"{handler}>={level}"


def _level(name: str, logger: EffectiveLogger) -> str:
    inherited = "" if logger["level_of"] == name else f" (of {logger['level_of']})"
    level = f"{logger['level']['value']}{inherited}"
    if name == ROOT:
        return level
    others = [each["through"] for each in logger["receivers"] if each["through"] != name]
    beyond = list(dict.fromkeys(others))
    if beyond == [""]:
        return f"{level}, to no handler"
    return f"{level}, to {' and '.join(beyond)}" if beyond else f"{level}, to its own handlers only"


def _chosen_logger(effective: EffectiveConfiguration, name: str) -> Iterator[Row]:
    """Yield one logger with everything that applies to its records."""
    logger = effective.logger(name)
    inherited = "" if logger["level_of"] == (name or ROOT) else f", inherited from {logger['level_of']}"
    yield Row(0, name or ROOT, f"{logger['level']['value']}{inherited}", logger["level"]["origin"])
    for key in ("filters", "propagate") if name not in ("", ROOT) else ("filters",):
        value: Value[list[str]] | Value[bool] = logger[key]
        yield Row(1, f"{key}:", _text(value["value"]), value["origin"])
    if logger["disabled"]:
        yield Row(1, "disabled:", "true: drops all records", "set by code")
    for each in logger["receivers"]:
        through = effective.logger(each["through"])["handlers"]["origin"] if each["through"] else "default"
        of = "" if each["through"] == name else f", handler of {each['through']}" if each["through"] else ""
        yield Row(1, f"to {each['handler']}", f"from {each['level']}{of}", through)


def _reached_handlers(effective: EffectiveConfiguration, names: Iterable[str]) -> list[str]:
    """Return the handlers that get records of the loggers, directly or from another handler."""
    waiting = [each["handler"] for name in names for each in effective.logger(name)["receivers"]]
    reached: dict[str, None] = {}
    while waiting:
        name = waiting.pop(0)
        if name not in reached:
            reached[name] = None
            waiting += effective.handler(name)["passes_on_to"]
    return [name for name in effective.handler_names() if name in reached]


def _used_definitions(effective: EffectiveConfiguration, handlers: Iterable[str], section: str) -> list[str]:
    key = "formatter" if section == "formatters" else section
    used: set[str] = set()
    for handler in handlers:
        option = effective.handler(handler)["values"].get(key)
        if option is not None:
            value = option["value"]
            used.update(map(str, value) if isinstance(value, list) else [str(value)])
    return [name for name in effective.definition_names(section) if name in used]


def _handler(effective: EffectiveConfiguration, name: str) -> Iterator[Row]:
    handler = effective.handler(name)
    yield from _definition(name, handler["values"])
    if not handler["hangs_on"]:
        yield Row(1, "unused:", "no logger uses it")
    configured = handler["values"].get("target")
    for target in handler["passes_on_to"]:
        if configured is None or configured["value"] != target:
            yield Row(1, "passes on to:", target)


def _definition(name: str, values: dict[str, Value[object]]) -> Iterator[Row]:
    """Yield the name with the class, and the other values below it."""
    first = next((key for key in ("()", "class") if key in values), None)
    yield Row(0, name, _text(values[first]["value"]), values[first]["origin"]) if first else Row(0, name)
    for key, value in values.items():
        if key != first:
            yield Row(
                1, f"{key}:", _path(value["value"]) if key == "filename" else _text(value["value"]), value["origin"]
            )


def render_probe(probe: Probe) -> str:
    """Render a table of the handlers of a probe, with the outcome of each level."""
    lines = [["", *LEVELS, ""]]
    for each in probe["arrivals"]:
        outcomes = [each["outcomes"].get(level, "-") for level in LEVELS]
        lines.append([each["handler"], *outcomes, _path(each["file"]) if each["file"] else ""])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    title = f"Sent to {probe['logger']}: {LOGGING_PROBE} of each level, with the probe_id {probe['probe_id']}."
    table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    is_explained = any("would report" in each["outcomes"].values() for each in probe["arrivals"])
    notes = ["", "would report: accepts the record, but did not get it, because a probe is not a failure."]
    return "\n".join([title, "", *table, *(notes if is_explained else [])])


def _align(rows: list[Row]) -> str:
    """Return the rows as lines with aligned columns."""
    name_width = max(2 * row.depth + len(row.name) for row in rows)
    value_width = min(max(len(row.value) for row in rows), MAX_VALUE_WIDTH)
    lines = []
    for row in rows:
        first, *others = wrap(row.value, MAX_VALUE_WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
        lines.append(f"{'  ' * row.depth + row.name:{name_width}}  {first:{value_width}}  {row.origin}".rstrip())
        lines += [f"{'':{name_width}}  {other}" for other in others]
    return "\n".join(lines)


def _text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or "none"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _path(value: object) -> str:
    """Return a path relative to the working directory, if it is below that."""
    path = Path(str(value))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
