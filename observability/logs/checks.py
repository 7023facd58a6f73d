"""System checks of the room: the layers of logging.yaml that are not in use here, and lines that wait.

A mistake in the layers that are in use ends the start already.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured

from observability.conf import configuration
from observability.logs.config import LayeredLogging, Source
from observability.logs.layers.layer import fill, merge
from observability.logs.layers.mistake import UNKNOWN_VARIABLE, Mistake
from observability.logs.layers.mistakes import mistakes

HELD_HANDLER = "observability.logs.held.HeldHandler"
HELD_LINES = "observability.logs.held.HeldLines"


@register("observability")
def check_layers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """E201 to E206: what `load_logging` would refuse in a layer, in use or not; `layers/mistake.py` has the ids."""
    configured = settings.LOGGING
    if not isinstance(configured, LayeredLogging):
        return []
    return [*layer_errors(configured.source)]


@register("observability")
def check_held_lines(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """W201: a handler holds lines, and no reader tells it of the end of the work that they wait with."""
    handlers: dict[str, Any] = settings.LOGGING.get("handlers", {})
    is_held = any(handler.get("class") == HELD_HANDLER for handler in handlers.values())
    if not is_held or HELD_LINES in configuration().readers:
        return []
    return [
        Warning(
            "Lines are held, and those of a slow request are never written.",
            hint=f"Put {HELD_LINES!r} into OBSERVABILITY['READERS'], before the access line.",
            id="observability.W201",
        )
    ]


def layer_errors(source: Source) -> Iterator[CheckMessage]:
    """The mistakes of each layer over any layer that may lie under it."""
    readable = []
    for name, layer in source.written.items():
        try:
            fill(layer, source.variables)
        except ImproperlyConfigured as error:
            hint = "The settings give the variables to load_logging."
            yield Error(str(error), hint=hint, id=UNKNOWN_VARIABLE)
        else:
            readable.append(name)
    if "base" not in readable:
        return
    known = _mistakes(source, "base")
    for name in readable:
        for mistake in known if name == "base" else _new_mistakes(source, name, readable, known):
            yield Error(f"{mistake.origin.place}: {mistake.message}", hint=mistake.hint, id=mistake.id)


def _new_mistakes(source: Source, name: str, readable: Sequence[str], known: Sequence[Mistake]) -> list[Mistake]:
    """What is wrong over every other layer: `container` refines what `production` defines, and is right over that."""
    others = [other for other in readable if other not in ("base", name)]
    found = [mistake for mistake in _mistakes(source, "base", name) if mistake not in known]
    for other in others if found else ():
        # The same mistake may stand in another line there: a list that both of them write.
        messages = {mistake.message for mistake in _mistakes(source, "base", other, name)}
        found = [mistake for mistake in found if mistake.message in messages]
    return found


def _mistakes(source: Source, *names: str) -> list[Mistake]:
    merged = reduce(merge, [source.written[name] for name in names])
    return mistakes(fill(merged, source.variables))
