"""Whether the classes of handlers, formatters and filters are there, and take what they are given."""

import inspect
import logging
from collections.abc import Iterator
from logging.config import BaseConfigurator
from logging.handlers import MemoryHandler, QueueHandler
from typing import Any

from observability.logs.layers.layer import Entry
from observability.logs.layers.mistake import UNKNOWN_CLASS, WRONG_ARGUMENT, Mistake, is_reference, nearest

# What dictConfig reads itself; all else in an entry is an argument.
_OWN_KEYS = {
    "handlers": {"class", "()", ".", "level", "formatter", "filters"},
    "formatters": {"()", "."},
    "filters": {"()", "."},
}
# Without a factory there is no class to ask.
_PLAIN_KEYS = {
    "formatters": ("class", "format", "datefmt", "style", "validate", "defaults"),
    "filters": ("name",),
}
# A QueueHandler's entry is read by dictConfig since Python 3.12.
_QUEUE_KEYS = {"queue", "listener", "handlers", "respect_handler_level"}
# Names of arguments that dictConfig tries a second time under another one.
_SECOND_NAMES = {"stream": "strm", "format": "fmt"}


def check_factory(section: str, entry: Entry, who: str) -> Iterator[Mistake]:
    """What is wrong with the class, or `()`, of an entry and what it is given, as far as a signature tells."""
    factory, plain = entry.at("()"), entry.at("class")
    written = factory or plain
    if section == "handlers" and written is None:
        hint = "Give it a class, such as logging.StreamHandler."
        yield Mistake(UNKNOWN_CLASS, entry.origin, f"{who} has no class.", hint)
    if written is not None and (factory or section != "filters"):
        found = [*_class_mistakes(section, written, is_class=factory is None, who=who)]
        yield from found
    if section in _PLAIN_KEYS and factory is None:
        for key, value in entry.items().items():
            if key not in (*_PLAIN_KEYS[section], "."):
                hint = nearest(key, ("()", *_PLAIN_KEYS[section]))
                yield Mistake(WRONG_ARGUMENT, value.origin, f"{who} has the unknown key {key!r}.", hint)
    elif written is not None and not found:
        yield from _argument_mistakes(section, entry, written, who)


def targets(entry: Entry) -> Iterator[tuple[Any, Entry]]:
    """The handlers to which a handler passes records on, by their names, and where they stand.

    dictConfig reads them for two classes of the standard library; the handlers of this package look up their target.
    """
    written = entry.at("class")
    factory = _resolve(written.value)[0] if written is not None else None
    target, handlers = entry.at("target"), entry.at("handlers")
    is_ours = isinstance(factory, type) and factory.__module__.startswith("observability.logs.")
    if (is_ours or _is_subclass(factory, MemoryHandler)) and target is not None:
        yield target.value, target
    if _is_subclass(factory, QueueHandler) and handlers is not None and isinstance(handlers.value, list):
        yield from ((name, handlers) for name in handlers.value)


def _resolve(name: object) -> tuple[Any, str]:
    """What a dotted name stands for, or why there is no such thing; neither where that cannot be told yet.

    The import is the one that dictConfig makes a moment later. A module that reads the settings fails while they are
    still being read, which is no mistake.
    """
    if is_reference(name):
        return None, ""
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        return None, "it is no dotted name"
    try:
        return BaseConfigurator({}).resolve(name), ""
    except Exception as error:  # noqa: BLE001 - a module may raise anything
        return None, str(error.__cause__) if isinstance(error.__cause__, ImportError) else ""


def _is_subclass(factory: object, parent: type) -> bool:
    return isinstance(factory, type) and issubclass(factory, parent)


def _class_mistakes(section: str, written: Entry, *, is_class: bool, who: str) -> Iterator[Mistake]:
    factory, reason = _resolve(written.value)
    name = written.value
    if reason:
        hint = "Name a class by its dotted name, and install the package that it comes from."
        yield Mistake(UNKNOWN_CLASS, written.origin, f"{who} needs {name!r}: {reason}.", hint)
    elif factory is not None and not callable(factory):
        yield Mistake(UNKNOWN_CLASS, written.origin, f"{who} needs {name!r}, which is no class.", "Name a class.")
    elif section == "handlers" and is_class and factory is not None and not _is_subclass(factory, logging.Handler):
        hint = "Name a class that is derived from logging.Handler; a function that makes one stands under ()."
        yield Mistake(UNKNOWN_CLASS, written.origin, f"{who} needs {name!r}, which is no handler.", hint)


def _argument_mistakes(section: str, entry: Entry, written: Entry, who: str) -> Iterator[Mistake]:
    factory = _resolve(written.value)[0]
    parameters = _parameters(factory)
    given = {key: value for key, value in entry.items().items() if key not in _OWN_KEYS[section]}
    if parameters is None:
        return
    names = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    is_queue = section == "handlers" and _is_subclass(factory, QueueHandler)
    names += _QUEUE_KEYS if is_queue else ()
    for key, value in given.items():
        if not takes_any and key not in names and _SECOND_NAMES.get(key) not in names:
            message = f"{who} gives {key!r} to {written.value}, which does not take it."
            yield Mistake(WRONG_ARGUMENT, value.origin, message, nearest(key, names))
    for each in parameters:
        is_given = each.name in given or any(_SECOND_NAMES.get(key) == each.name for key in given)
        is_needed = each.default is each.empty and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        if is_needed and not is_given and not is_queue:
            message = f"{who} lacks {each.name!r}, which {written.value} needs."
            yield Mistake(WRONG_ARGUMENT, entry.origin, message, f"Add {each.name}.")


def _parameters(factory: object) -> list[inspect.Parameter] | None:
    """The parameters of what can be called; None where it does not tell them, as some classes written in C do not."""
    try:
        return list(inspect.signature(factory).parameters.values()) if callable(factory) else None
    except (TypeError, ValueError):
        return None
