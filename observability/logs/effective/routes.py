"""The way of a record in this process: from its logger up to those above it, and to the handlers of each."""

import logging
from collections.abc import Iterator
from logging.handlers import QueueHandler
from typing import TypedDict

LAST_RESORT = "logging.lastResort"


class Receiver(TypedDict):
    """A handler that gets the records of a logger from a level on; `through` is the logger that it hangs on."""

    handler: str
    through: str
    level: str


def receivers(logger: logging.Logger) -> list[Receiver]:
    """The handlers that get the records of a logger, from which level on; its own first."""
    level = logger.getEffectiveLevel()
    found: list[Receiver] = [
        {"handler": handler_name(each), "through": holder.name, "level": _highest(level, each.level)}
        for holder in upwards(logger, follows_propagate=True)
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
    return LAST_RESORT if handler is logging.lastResort else handler.name or class_name(handler)


def target_name(target: logging.Handler | str) -> str:
    return handler_name(target) if isinstance(target, logging.Handler) else target.removeprefix("cfg://handlers.")


def class_name(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def upwards(logger: logging.Logger, *, follows_propagate: bool) -> Iterator[logging.Logger]:
    """The logger and those above it; only as far as its records go, where it follows `propagate`."""
    holder: logging.Logger | None = logger
    while holder is not None:
        yield holder
        holder = holder.parent if holder.propagate or not follows_propagate else None


def _highest(*levels: int) -> str:
    return str(logging.getLevelName(max(levels)))


def is_silent(handler: logging.Handler) -> bool:
    """Whether it is what libraries hang on their logger to say nothing."""
    return isinstance(handler, logging.NullHandler)
