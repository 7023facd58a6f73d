"""Print the effective logging configuration: loggers, handlers, and the file and line of each value."""

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
from observability.text import escape_lines

# Longer values are wrapped at spaces. A long path is not wrapped; it moves the origin of its line to the right.
MAX_VALUE_WIDTH = 60
OUTCOMES = {
    "written": "the line is in the file of the handler.",
    "arrived": "the handler got the record. It writes no file that could be read, or it buffers the record.",
    "would report": "the handler accepts the record, but a probe is not sent to it, because it would alert people.",
    "lost": "the handler got the record, but the line is not in its file.",
    "failed": "the handler raised an error.",
    "-": "the handler does not get records of this logger and level.",
}


class Command(BaseCommand):
    """Print the configuration, or the result of a probe. System checks are skipped: this command helps to fix errors.

    `--json` prints one object: `EffectiveDocument` with the key `probe`, the result of `--probe` (`Probe`) or null. The
    exit status is 1 if a handler lost a record of the probe.
    """

    help = "Print the effective logging configuration: loggers, handlers, and the file, line and layer of each value."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "loggers",
            nargs="*",
            metavar="LOGGER",
            help="print only these loggers and the handlers that get their records",
        )
        parser.add_argument("--json", action="store_true", help="print the configuration as one JSON object")
        parser.add_argument(
            "--probe",
            metavar="LOGGER",
            help="send a record of each level through this logger, and print what each handler did with it",
        )

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        effective = EffectiveConfiguration(settings.LOGGING)
        probe = send_probe(options["probe"]) if options["probe"] is not None else None
        if options["json"]:
            document = {**to_dict(effective, options["loggers"]), "probe": probe}
            self.stdout.write(json.dumps(document, indent=2))
        elif probe is not None:
            self.stdout.write(escape_lines(render_probe(probe)))
        else:
            self.stdout.write(escape_lines(render_tree(effective, options["loggers"])))
        if probe is not None:
            require_arrival(probe)


def require_arrival(probe: Probe) -> None:
    """Raise `CommandError` if a handler lost a record of the probe."""
    failed = [each["handler"] for each in probe["arrivals"] if {"lost", "failed"} & set(each["outcomes"].values())]
    if failed:
        raise CommandError(
            f"Handlers that lost records: {', '.join(failed)}. Check free disk space and file permissions."
        )


class Row(NamedTuple):
    """A line of the tree: the name at its depth, the value, and the origin of the value."""

    depth: int
    name: str
    value: str = ""
    origin: Origin | str = ""


def render_tree(effective: EffectiveConfiguration, names: Iterable[str] = ()) -> str:
    """Render the whole configuration. With names, render these loggers and the handlers that get their records."""
    chosen = list(names)
    rows = [
        *_layers(effective),
        Row(0, ""),
        Row(0, "LOGGERS", "level, and the loggers whose handlers get the records", "defined in"),
    ]
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
    yield Row(0, "LAYERS", "each layer is merged over the layers above it")
    source = effective.source
    if source is None:
        yield Row(0, "none", "the LOGGING setting was not built by load_logging()")
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
    """Yield the values that differ from the defaults. The level is in the row of the logger."""
    if logger["handlers"]["value"]:
        own = [each for each in logger["receivers"] if each["handler"] in logger["handlers"]["value"]]
        texts = {
            each["handler"]: _handler_and_level(each["handler"], each["level"], _level_name(logger)) for each in own
        }
        yield Row(depth, "handlers:", ", ".join(texts.values()), logger["handlers"]["origin"])
    if logger["filters"]["value"]:
        yield Row(depth, "filters:", ", ".join(map(str, logger["filters"]["value"])), logger["filters"]["origin"])
    if not logger["propagate"]["value"]:
        yield Row(depth, "propagate:", "false", logger["propagate"]["origin"])
    if logger["disabled"]:
        yield Row(depth, "disabled:", "true: drops all records", "set by code")


def _level_name(logger: EffectiveLogger) -> str:
    return str(logger["level"]["value"])


def _handler_and_level(handler: str, level: str, logger_level: str) -> str:
    return handler if level == logger_level else f"{handler}>={level}"


def _level(name: str, logger: EffectiveLogger) -> str:
    inherited = "" if logger["level_of"] == name else f" (of {logger['level_of']})"
    level = f"{logger['level']['value']}{inherited}"
    if name == ROOT:
        return level
    others = [each["through"] for each in logger["receivers"] if each["through"] != name]
    beyond = list(dict.fromkeys(others))
    if beyond == [""]:
        return f"{level}, no handler gets its records"
    return f"{level}, to {' and '.join(beyond)}" if beyond else f"{level}, to its own handlers only"


def _chosen_logger(effective: EffectiveConfiguration, name: str) -> Iterator[Row]:
    """Yield one logger with all values that apply to its records."""
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
        yield Row(1, f"to {each['handler']}", f"{each['level']} and above{of}", through)


def _reached_handlers(effective: EffectiveConfiguration, names: Iterable[str]) -> list[str]:
    """Return the handlers that get records of these loggers, directly or from another handler."""
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
        yield Row(1, "unused:", "no logger and no other handler uses it")
    configured = handler["values"].get("target")
    for target in handler["passes_on_to"]:
        if configured is None or configured["value"] != target:
            yield Row(1, "passes on to:", target)


def _definition(name: str, values: dict[str, Value[object]]) -> Iterator[Row]:
    """Yield a row with the name and the class, then a row for each other value."""
    first = next((key for key in ("()", "class") if key in values), None)
    yield Row(0, name, _text(values[first]["value"]), values[first]["origin"]) if first else Row(0, name)
    for key, value in values.items():
        if key != first:
            yield Row(
                1, f"{key}:", _path(value["value"]) if key == "filename" else _text(value["value"]), value["origin"]
            )


def render_probe(probe: Probe) -> str:
    """Render a table with the outcome for each handler and level, and explain the outcomes."""
    lines = [["", *LEVELS, ""]]
    for each in probe["arrivals"]:
        outcomes = [each["outcomes"].get(level, "-") for level in LEVELS]
        lines.append([each["handler"], *outcomes, _path(each["file"]) if each["file"] else ""])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    title = (
        f"Sent one record of each level to the logger {probe['logger']}: event {LOGGING_PROBE}, "
        f"probe_id {probe['probe_id']}."
    )
    table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    found = {outcome for line in lines[1:] for outcome in line[1:-1]}
    notes = [f"{outcome}: {meaning}" for outcome, meaning in OUTCOMES.items() if outcome in found]
    return "\n".join([title, "", *table, "", *notes])


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
    """Return a path, relative to the working directory if it is inside it."""
    path = Path(str(value))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
