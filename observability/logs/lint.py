"""Lint errors of a logging configuration, each with its line.

`logging.config.dictConfig` stops at the first error, and says only "Unable to configure handler 'service'". This module
finds all errors that can be found without creating a handler. `load_logging` reports them at the start. The system
checks report them for layers that are not in use.
"""

import inspect
import logging
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from logging.config import BaseConfigurator
from logging.handlers import MemoryHandler, QueueHandler
from typing import NamedTuple

from observability.logs.yaml_layers import Entry, Origin

UNKNOWN_NAME = "observability.E201"
UNKNOWN_LEVEL = "observability.E202"
UNKNOWN_CLASS = "observability.E203"
WRONG_ARGUMENT = "observability.E204"
WRONG_SHAPE = "observability.E205"
UNKNOWN_VARIABLE = "observability.E206"

SECTIONS = ("formatters", "filters", "handlers", "loggers")
TOP_KEYS = ("version", "root", "disable_existing_loggers", "incremental", *SECTIONS)
LOGGER_KEYS = ("level", "handlers", "filters", "propagate")
# Keys that dictConfig reads. All other keys of an entry are arguments of its class.
_DICT_CONFIG_KEYS = {
    "handlers": {"class", "()", ".", "level", "formatter", "filters"},
    "formatters": {"()", "."},
    "filters": {"()", "."},
}
# All keys that an entry without `()` may have.
_PLAIN_KEYS = {
    "formatters": ("class", "format", "datefmt", "style", "validate", "defaults"),
    "filters": ("name",),
}
# Since Python 3.12, dictConfig reads these keys of a QueueHandler.
_QUEUE_KEYS = {"queue", "listener", "handlers", "respect_handler_level"}
# If a class does not accept an argument, dictConfig tries its alternative name.
_ALTERNATIVE_NAMES: dict[object, str] = {"stream": "strm", "format": "fmt"}


class LintError(NamedTuple):
    """An error: `message` is what is wrong, `origin` where, `hint` what to do. `id` is the id of the system check."""

    id: str
    origin: Origin
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.origin.place}: {self.message} {self.hint}"


def lint(merged: Entry) -> list[LintError]:
    """Return an error for each entry of the merged layers that dictConfig would refuse or ignore."""
    errors = [*_lint_top(merged)]
    for name, entry in _section(merged, "loggers").items():
        errors += _lint_logger(merged, entry, f"logger {name!r}")
    root = merged.find("root")
    if root is not None:
        errors += _lint_logger(merged, root, "the root logger")
    for name, entry in _section(merged, "handlers").items():
        errors += _lint_handler(merged, name, entry)
    for section in ("formatters", "filters"):
        for name, entry in _section(merged, section).items():
            subject = f"{section[:-1]} {name!r}"
            errors += _lint_class(section, entry, subject) if _is_mapping(entry) else [_not_a_mapping(entry, subject)]
    return errors


def is_reference(value: object) -> bool:
    """Return whether dictConfig replaces the value with an object or with another part of the configuration."""
    return isinstance(value, str) and value.startswith(("ext://", "cfg://"))


def _section(merged: Entry, name: str) -> dict[object, Entry]:
    section = merged.find(name)
    return section.entries() if section is not None else {}


def _lint_top(merged: Entry) -> Iterator[LintError]:
    version = merged.find("version")
    if version is None or version.value != 1:
        origin = (version or merged).origin
        yield LintError(
            WRONG_SHAPE, origin, "the key `version` is missing or is not 1.", "Add `version: 1` to the layer base."
        )
    # `cfg://` may refer to a section with any name.
    referred = {name.removeprefix("cfg://").split(".")[0].split("[")[0] for name in _references(merged.to_plain())}
    for key, entry in merged.entries().items():
        if key not in TOP_KEYS and key not in referred:
            hint = f"{_suggest(key, TOP_KEYS)} A file of overrides has no layer names: these keys are at its top level."
            yield LintError(WRONG_SHAPE, entry.origin, f"the layer has the unknown key {key!r}.", hint)
        elif key in SECTIONS and not _is_mapping(entry):
            yield _not_a_mapping(entry, f"{key!r}")


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _references(item)
    elif isinstance(value, str) and value.startswith("cfg://"):
        yield value


def _lint_logger(merged: Entry, entry: Entry, subject: str) -> Iterator[LintError]:
    if not _is_mapping(entry):
        yield _not_a_mapping(entry, subject)
        return
    for key, value in entry.entries().items():
        if key not in LOGGER_KEYS:
            message = f"{subject} has the unknown key {key!r}."
            yield LintError(WRONG_SHAPE, value.origin, message, _suggest(key, LOGGER_KEYS))
    yield from _lint_level(entry, subject)
    yield from _lint_names(merged, "handlers", entry.find("handlers"), subject)
    yield from _lint_names(merged, "filters", entry.find("filters"), subject)
    propagate = entry.find("propagate")
    if propagate is not None and not isinstance(propagate.value, bool):
        message = f"{subject} has propagate {propagate.value!r}, which is not a boolean."
        yield LintError(WRONG_SHAPE, propagate.origin, message, "Allowed: true or false, without quotes.")


def _lint_handler(merged: Entry, name: object, entry: Entry) -> Iterator[LintError]:
    subject = f"handler {name!r}"
    if not _is_mapping(entry):
        yield _not_a_mapping(entry, subject)
        return
    yield from _lint_class("handlers", entry, subject)
    yield from _lint_level(entry, subject)
    yield from _lint_names(merged, "filters", entry.find("filters"), subject)
    formatter = entry.find("formatter")
    if formatter is not None:
        yield from _lint_name(merged, "formatters", formatter.value, formatter, subject)
    for target, target_entry in _targets(entry):
        yield from _lint_name(merged, "handlers", target, target_entry, subject)
        if target == name:
            hint = "Use the name of the handler that writes the records."
            yield LintError(UNKNOWN_NAME, target_entry.origin, f"{subject} references itself.", hint)


def _lint_level(entry: Entry, subject: str) -> Iterator[LintError]:
    level = entry.find("level")
    names = logging.getLevelNamesMapping()
    if level is None or is_reference(level.value) or (isinstance(level.value, str) and level.value in names):
        return
    if not isinstance(level.value, int) or isinstance(level.value, bool):
        hint = _suggest(str(level.value).upper(), names)
        yield LintError(UNKNOWN_LEVEL, level.origin, f"{subject} has the unknown level {level.value!r}.", hint)


def _lint_names(merged: Entry, section: str, entry: Entry | None, subject: str) -> Iterator[LintError]:
    if entry is None or is_reference(entry.value):
        return
    if not isinstance(entry.value, list):
        message = f"{subject} has {section} {entry.to_plain()!r}, which is not a list."
        yield LintError(WRONG_SHAPE, entry.origin, message, f"Write a list: {section}: [name, name].")
        return
    for name in entry.value:
        yield from _lint_name(merged, section, name, entry, subject)


def _lint_name(merged: Entry, section: str, name: object, entry: Entry, subject: str) -> Iterator[LintError]:
    defined = _section(merged, section)
    if is_reference(name) or (isinstance(name, str) and name in defined):
        return
    reference = f"{subject} references {section[:-1]} {name!r}"
    removed = _find_removed(merged, section, name)
    if removed is None:
        message = f"{reference}, which is not defined."
        yield LintError(UNKNOWN_NAME, entry.origin, message, _suggest(name, defined))
    else:
        message = f"{reference}, which layer {removed.origin.layer!r} removes in {removed.origin.place}."
        yield LintError(UNKNOWN_NAME, entry.origin, message, f"Change the {section} of {subject} in that layer too.")


def _find_removed(merged: Entry, section: str, name: object) -> Entry | None:
    entries: Entry | None = merged.find(section)
    if entries is None or not isinstance(entries.value, dict) or not isinstance(name, str):
        return None
    return entries.value.get(name)


def _lint_class(section: str, entry: Entry, subject: str) -> Iterator[LintError]:
    """Check the class of an entry, or its `()`, and its arguments if the class has a signature."""
    factory, plain = entry.find("()"), entry.find("class")
    named = factory or plain
    errors: list[LintError] = []
    if section == "handlers" and named is None:
        hint = "Add the key class, for example class: logging.StreamHandler."
        yield LintError(UNKNOWN_CLASS, entry.origin, f"{subject} has no class.", hint)
    if named is not None and (factory or section != "filters"):
        errors += _lint_factory(section, named, is_class=factory is None, subject=subject)
        yield from errors
    if section in _PLAIN_KEYS and factory is None:
        for key, value in entry.entries().items():
            if key not in (*_PLAIN_KEYS[section], "."):
                hint = _suggest(key, ("()", *_PLAIN_KEYS[section]))
                yield LintError(WRONG_ARGUMENT, value.origin, f"{subject} has the unknown key {key!r}.", hint)
    elif named is not None and not errors:
        yield from _lint_arguments(section, entry, named, subject)


def _lint_factory(section: str, named: Entry, *, is_class: bool, subject: str) -> Iterator[LintError]:
    factory, problem = _resolve(named.value)
    reference = f"{subject} uses {named.value!r}"
    if problem:
        hint = "Check the dotted name of the class, and install its package."
        yield LintError(UNKNOWN_CLASS, named.origin, f"{reference}, which cannot be imported: {problem}.", hint)
    elif factory is not None and not callable(factory):
        yield LintError(
            UNKNOWN_CLASS, named.origin, f"{reference}, which is not a class.", "Use the dotted name of a class."
        )
    elif section == "handlers" and is_class and factory is not None and not _is_subclass(factory, logging.Handler):
        hint = "Use a subclass of logging.Handler. For a function that returns a handler, use the key ()."
        yield LintError(UNKNOWN_CLASS, named.origin, f"{reference}, which is not a handler.", hint)


def _lint_arguments(section: str, entry: Entry, named: Entry, subject: str) -> Iterator[LintError]:
    factory = _resolve(named.value)[0]
    parameters = _parameters(factory)
    given = {key: value for key, value in entry.entries().items() if key not in _DICT_CONFIG_KEYS[section]}
    if parameters is None:
        return
    names = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    accepts_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    is_queue = section == "handlers" and _is_subclass(factory, QueueHandler)
    names += _QUEUE_KEYS if is_queue else ()
    for key, value in given.items():
        if not accepts_any and key not in names and _ALTERNATIVE_NAMES.get(key) not in names:
            message = f"{subject} passes {key!r} to {named.value}, which does not accept it."
            yield LintError(WRONG_ARGUMENT, value.origin, message, _suggest(key, names))
    for each in parameters:
        is_given = each.name in given or any(_ALTERNATIVE_NAMES.get(key) == each.name for key in given)
        is_required = each.default is each.empty and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        if is_required and not is_given and not is_queue:
            message = f"{subject} does not pass {each.name!r}, which {named.value} requires."
            yield LintError(WRONG_ARGUMENT, entry.origin, message, f"Add the key {each.name}.")


def _targets(entry: Entry) -> Iterator[tuple[object, Entry]]:
    """Yield the names of the handlers to which a handler passes its records, each with the entry that has the name.

    dictConfig resolves the names for two classes of the standard library. The handlers of this package resolve their
    target themselves.
    """
    named = entry.find("class")
    factory = _resolve(named.value)[0] if named is not None else None
    target, handlers = entry.find("target"), entry.find("handlers")
    is_ours = isinstance(factory, type) and factory.__module__.startswith("observability.logs.")
    if (is_ours or _is_subclass(factory, MemoryHandler)) and target is not None:
        yield target.value, target
    if _is_subclass(factory, QueueHandler) and handlers is not None and isinstance(handlers.value, list):
        yield from ((name, handlers) for name in handlers.value)


def _resolve(name: object) -> tuple[object, str]:
    """Return the object with a dotted name and "", or None and the problem; None and "" if it cannot be checked yet.

    The object is imported as dictConfig does it later. A module that reads the settings cannot be imported while the
    settings are loaded. This is not an error of the configuration.
    """
    if is_reference(name):
        return None, ""
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        return None, "this is not a dotted name"
    try:
        return BaseConfigurator({}).resolve(name), ""
    except Exception as error:  # noqa: BLE001 - a module may raise anything
        return None, str(error.__cause__) if isinstance(error.__cause__, ImportError) else ""


def _parameters(factory: object) -> list[inspect.Parameter] | None:
    """Return the parameters of a callable; None without a signature, as for some classes written in C."""
    try:
        return list(inspect.signature(factory).parameters.values()) if callable(factory) else None
    except (TypeError, ValueError):
        return None


def _is_subclass(factory: object, parent: type) -> bool:
    return isinstance(factory, type) and issubclass(factory, parent)


def _is_mapping(entry: Entry) -> bool:
    return isinstance(entry.value, dict)


def _not_a_mapping(entry: Entry, subject: str) -> LintError:
    message = f"{subject} is not a mapping: {entry.value!r}."
    return LintError(WRONG_SHAPE, entry.origin, message, "Write keys and values below it.")


def _suggest(name: object, known: Iterable[object]) -> str:
    """Return the hint for an unknown name: the most similar known name, or all known names."""
    names = [str(each) for each in known]
    close = get_close_matches(str(name), names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Available: {', '.join(names) or 'none'}."
