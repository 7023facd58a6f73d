"""The LOGGING dictionary, merged from the layers of logging.yaml.

`base` comes first, then the layers that are named, then the overrides, each over the ones before: mappings merge, lists
and values replace, `null` takes an entry away. `${NAME}` in a value is filled with a variable that the settings give.
This module imports no model, so that settings can use it.
"""

import logging.config
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from observability.logs.layers.layer import Entry, fill, merge, read_layer, read_layers
from observability.logs.layers.mistake import is_reference
from observability.logs.layers.mistakes import mistakes

OVERRIDES = "overrides"


@dataclass(frozen=True, slots=True)
class Source:
    """What a LOGGING dictionary was made of.

    `written` has all layers of the file at `path`, also those that are not in use; `layers` names the ones in use, from
    `base` on; `merged` is what they and the overrides say together, each value with its place.
    """

    path: Path
    written: Mapping[str, Entry]
    layers: tuple[str, ...]
    overrides: Path | None
    variables: Mapping[str, str]
    merged: Entry


class LayeredLogging(dict[str, Any]):
    """A LOGGING dictionary that knows its source; the checks and `manage.py logging` find it in the settings.

    What the settings change in it later has no place in a file, and is told as theirs.
    """

    def __init__(self, source: Source) -> None:
        # A logger that existed before dictConfig ran would be silent otherwise: Django's and gunicorn's do.
        super().__init__(source.merged.plain(), disable_existing_loggers=False)
        self.source = source


def load_logging(
    path: Path, layers: Iterable[str], variables: Mapping[str, str], overrides: Path | None = None
) -> LayeredLogging:
    """The merged dictionary, for `logging.config.dictConfig`; the directories of its files are made.

    `overrides` is a file that holds one more layer, without a name. Raises `ImproperlyConfigured` for a file that
    cannot be read or is no YAML, a layer or a variable that does not exist, what dictConfig would refuse without
    saying where it is written, and a directory that cannot be made.
    """
    written = read_layers(path, path.name)
    names = ("base", *layers)
    stack = [_layer(written, name, path.name) for name in names]
    if overrides is not None:
        stack.append(_read_overrides(overrides))
    merged = fill(reduce(merge, stack), variables)
    found = mistakes(merged)
    if found:
        raise ImproperlyConfigured("\n".join(map(str, found)))
    _make_directories(merged, variables)
    return LayeredLogging(Source(path, written, names, overrides, variables, merged))


def configure(configured: dict[str, Any]) -> None:
    """The setting LOGGING_CONFIG: dictConfig, whose refusal names the places of what it could not make.

    What a class thinks of a value, such as a `maxBytes` that is no number, is known once it is called. Raises
    `ImproperlyConfigured`.
    """
    try:
        logging.config.dictConfig(configured)
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        places = _places(configured, str(error))
        reason = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise ImproperlyConfigured(f"{', '.join(places) or 'LOGGING'}: {reason}.") from error


def _places(configured: dict[str, Any], refusal: str) -> list[str]:
    """Where the handler, formatter, filter or logger that dictConfig names is written, in each layer that does."""
    named = re.match(r"Unable to configure (\w+) '(.*)'", refusal)
    if named is None or not isinstance(configured, LayeredLogging):
        return []
    entry = configured.source.merged.at(f"{named[1]}s", named[2])
    if entry is None:
        return []
    places: dict[str, str] = {}
    for origin in (entry.origin, *(value.origin for value in entry.items().values())):
        places.setdefault(origin.layer, origin.place)
    return list(places.values())


def _layer(written: Mapping[str, Entry], name: str, file: str) -> Entry:
    if name in written:
        return written[name]
    there_are = f"{file} has the layers {', '.join(sorted(written))}"
    if name == "base":
        raise ImproperlyConfigured(f"{file} has no layer 'base', which always holds: {there_are}.")
    raise ImproperlyConfigured(f"LOGGING_LAYERS names {name!r}: {there_are}.")


def _read_overrides(path: Path) -> Entry:
    try:
        return read_layer(path, str(path), OVERRIDES)
    except ImproperlyConfigured as error:
        allowed = "It names a YAML file with a part of a LOGGING dictionary, as a layer of logging.yaml has it."
        raise ImproperlyConfigured(f"LOGGING_OVERRIDES: {error} {allowed}") from error


def _make_directories(merged: Entry, variables: Mapping[str, str]) -> None:
    handlers = merged.at("handlers")
    for name, handler in handlers.items().items() if handlers else ():
        filename = handler.at("filename")
        if filename is not None and isinstance(filename.value, str) and not is_reference(filename.value):
            of = f"of the handler {name!r} ({filename.origin.place})"
            # The variable by which it is written is what an operator can change.
            named = [variable for variable, value in variables.items() if value and filename.value.startswith(value)]
            refusal = _refusal(Path(filename.value), of)
            if refusal:
                raise ImproperlyConfigured(f"{', '.join(named) or filename.origin.place}: {refusal}")


def _refusal(file: Path, of: str) -> str:
    """Why a log file cannot be written, or nothing; its directory is made."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"the directory {file.parent} {of} cannot be made: {error.strerror}."
    is_writable = not file.is_dir() and os.access(file if file.exists() else file.parent, os.W_OK)
    return "" if is_writable else f"the file {file} {of} cannot be written by this user."
