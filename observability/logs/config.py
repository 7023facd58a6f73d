"""The LOGGING dictionary, merged from the layers of logging.yaml.

`base` comes first, then the layers that are named, each over the ones before: mappings merge, lists and values
replace, `null` takes an entry away. `${NAME}` in a value is filled with a variable that the settings give. This
module imports no model, so that settings can use it.
"""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from django.core.exceptions import ImproperlyConfigured

_variable = re.compile(r"\$\{(\w+)\}")


def load_logging(path: Path, layers: Iterable[str], variables: Mapping[str, str]) -> dict[str, Any]:
    """The merged dictionary, for `logging.config.dictConfig`; the directories of its files are made.

    Raises `ImproperlyConfigured` for a file that is no YAML, a layer or a variable that does not exist, and a directory
    that cannot be made. Warnings of Python go to the logger `py.warnings` from here on, which Django does not see to.
    """
    written = _read(path)
    merged: dict[str, Any] = {}
    for layer in ("base", *layers):
        if layer not in written:
            message = f"LOGGING_LAYERS names {layer!r}: {path.name} has the layers {', '.join(sorted(written))}."
            raise ImproperlyConfigured(message)
        merged = merge(merged, written[layer] or {})
    configuration: dict[str, Any] = _fill(merged, variables, path.name)
    _make_directories(configuration)
    logging.captureWarnings(capture=True)
    # A logger that existed before dictConfig ran would be silent otherwise: Django's and gunicorn's do.
    return configuration | {"disable_existing_loggers": False}


def merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """`upper` over `lower`, neither of them changed."""
    merged = dict(lower)
    for key, value in upper.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        message = f"{path.name} cannot be read: {error}"
        raise ImproperlyConfigured(message) from error
    if not isinstance(written, dict) or "base" not in written:
        message = f"{path.name} has no layer 'base': it is a mapping of layers, each a part of a LOGGING dictionary."
        raise ImproperlyConfigured(message)
    return written


def _fill(value: Any, variables: Mapping[str, str], name: str) -> Any:  # noqa: ANN401 - any YAML
    if isinstance(value, dict):
        return {key: _fill(item, variables, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, variables, name) for item in value]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        if match[1] not in variables:
            message = f"{name} uses {match[0]}: there are {', '.join(sorted(variables))}."
            raise ImproperlyConfigured(message)
        return variables[match[1]]

    return _variable.sub(replacement, value)


def _make_directories(configuration: Mapping[str, Any]) -> None:
    for name, handler in configuration.get("handlers", {}).items():
        if "filename" not in handler:
            continue
        directory = Path(handler["filename"]).parent
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"LOG_DIR: the directory {directory} of the handler {name!r} cannot be made: {error.strerror}."
            raise ImproperlyConfigured(message) from error
        file = Path(handler["filename"])
        if not os.access(file if file.exists() else directory, os.W_OK):
            message = f"LOG_DIR: {file} of the handler {name!r} cannot be written by this user."
            raise ImproperlyConfigured(message)
