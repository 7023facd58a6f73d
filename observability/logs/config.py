"""Build the LOGGING dictionary from the layers of logging.yaml.

Layers are merged in this order: `base`, the named layers, the overrides. Mappings are merged, lists and values are
replaced, and `null` removes an entry. `${NAME}` in a value is replaced with a variable that the settings pass.
Settings can import this module, because it does not import models.
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

from observability.logs.lint import is_reference, lint
from observability.logs.yaml_layers import Entry, fill_variables, load_layer, load_layers, merge

OVERRIDES = "overrides"


@dataclass(frozen=True, slots=True)
class Source:
    """The files and layers that a LOGGING dictionary was built from.

    `layers` has all layers of the file at `path`. `names` has the layers in use, `base` first. `merged` is the result,
    including the overrides; each value has its origin.
    """

    path: Path
    layers: Mapping[str, Entry]
    names: tuple[str, ...]
    overrides: Path | None
    variables: Mapping[str, str]
    merged: Entry


class LayeredLogging(dict[str, Any]):
    """A LOGGING dictionary with its source, for the system checks and `manage.py logging`.

    If the settings change a value later, it has no line in a file; its origin is `settings`.
    """

    def __init__(self, source: Source) -> None:
        # By default, dictConfig disables all existing loggers, for example those of Django and gunicorn.
        super().__init__(source.merged.to_plain(), disable_existing_loggers=False)
        self.source = source


def load_logging(
    path: Path, layers: Iterable[str], variables: Mapping[str, str], overrides: Path | None = None
) -> LayeredLogging:
    """Return the merged dictionary for `logging.config.dictConfig`, and create the directories of its log files.

    `overrides` is the path of a file with one more layer, without a layer name. Raises `ImproperlyConfigured` if a file
    cannot be read or is not YAML, if a layer or a variable does not exist, if there are lint errors, or if a directory
    cannot be created.
    """
    available = load_layers(path, path.name)
    names = ("base", *layers)
    stack = [_find_layer(available, name, path.name) for name in names]
    if overrides is not None:
        stack.append(_load_overrides(overrides))
    merged = fill_variables(reduce(merge, stack), variables)
    errors = lint(merged)
    if errors:
        raise ImproperlyConfigured("\n".join(map(str, errors)))
    _create_directories(merged, variables)
    return LayeredLogging(Source(path, available, names, overrides, variables, merged))


def configure(configured: dict[str, Any]) -> None:
    """Run dictConfig, with the file and line of the wrong entry in its errors. For the setting LOGGING_CONFIG.

    The lint does not check values of arguments, for example a `maxBytes` that is not a number: only the class does.
    Raises `ImproperlyConfigured`.
    """
    try:
        logging.config.dictConfig(configured)
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        places = _find_places(configured, str(error))
        reason = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise ImproperlyConfigured(f"{', '.join(places) or 'LOGGING'}: {reason}.") from error


def _find_places(configured: dict[str, Any], error: str) -> list[str]:
    """Return the file and line, in each layer, of the entry that the error of dictConfig names."""
    named = re.match(r"Unable to configure (\w+) '(.*)'", error)
    if named is None or not isinstance(configured, LayeredLogging):
        return []
    entry = configured.source.merged.find(f"{named[1]}s", named[2])
    if entry is None:
        return []
    places: dict[str, str] = {}
    for origin in (entry.origin, *(value.origin for value in entry.entries().values())):
        places.setdefault(origin.layer, origin.place)
    return list(places.values())


def _find_layer(layers: Mapping[str, Entry], name: str, file: str) -> Entry:
    if name in layers:
        return layers[name]
    available = f"Available: {', '.join(sorted(layers))}"
    if name == "base":
        raise ImproperlyConfigured(f"{file} has no layer 'base', which is required. {available}.")
    raise ImproperlyConfigured(f"LOGGING_LAYERS has {name!r}, which is not a layer of {file}. {available}.")


def _load_overrides(path: Path) -> Entry:
    try:
        return load_layer(path, str(path), OVERRIDES)
    except ImproperlyConfigured as error:
        hint = "" if path.is_file() else " Allowed: the path of a YAML file with one layer, a part of LOGGING."
        raise ImproperlyConfigured(f"LOGGING_OVERRIDES: {error}{hint}") from error


def _create_directories(merged: Entry, variables: Mapping[str, str]) -> None:
    handlers = merged.find("handlers")
    for name, handler in handlers.entries().items() if handlers else ():
        filename = handler.find("filename")
        if filename is not None and isinstance(filename.value, str) and not is_reference(filename.value):
            user = f"handler {name!r} ({filename.origin.place})"
            # Name the variable whose value is the start of the path: it is easier to change than the file.
            named = [variable for variable, value in variables.items() if value and filename.value.startswith(value)]
            problem = _create_directory(Path(filename.value), user)
            if problem:
                place = ", ".join(named) or filename.origin.place
                hint = f"Set {place}" if named else "Change `filename`"
                raise ImproperlyConfigured(f"{place}: {problem} {hint} to a path that this user can write.")


def _create_directory(file: Path, user: str) -> str:
    """Create the directory of a log file. Return the problem if the file cannot be written, else an empty string."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"the directory {file.parent} of {user} cannot be created: {error.strerror}."
    is_writable = not file.is_dir() and os.access(file if file.exists() else file.parent, os.W_OK)
    return "" if is_writable else f"the file {file} of {user} cannot be written by this user."
