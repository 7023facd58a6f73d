"""System checks of the package: all layers of logging.yaml, including unused ones, and the buffered records.

An error in a layer in use stops the process before the checks run.
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
from observability.logs.lint import UNKNOWN_VARIABLE, LintError, lint
from observability.logs.yaml_layers import fill_variables, merge

BUFFERING_HANDLER = "observability.logs.buffering.BufferingHandler"
BUFFERED_RECORDS_READER = "observability.logs.buffering.BufferedRecordsReader"


@register("observability")
def check_layers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """Report the lint errors (E201 to E206) of each layer, in use or not. `lint.py` defines the ids."""
    configured = settings.LOGGING
    if not isinstance(configured, LayeredLogging):
        return []
    return [*layer_errors(configured.source)]


@register("observability")
def check_buffered_records(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """Warn (W201) if a handler buffers records, but no installed reader writes the buffers when the work ends."""
    handlers: dict[str, dict[str, Any]] = settings.LOGGING.get("handlers", {})
    is_buffering = any(handler.get("class") == BUFFERING_HANDLER for handler in handlers.values())
    if not is_buffering or BUFFERED_RECORDS_READER in configuration().readers:
        return []
    return [
        Warning(
            "A handler buffers records, but OBSERVABILITY['READERS'] has no reader that writes them for slow requests.",
            hint=f"Add {BUFFERED_RECORDS_READER!r} to OBSERVABILITY['READERS'], before the AccessLogReader.",
            id="observability.W201",
        )
    ]


def layer_errors(source: Source) -> Iterator[CheckMessage]:
    """Yield the errors of each layer, merged over `base` and over each other layer."""
    readable = []
    for name, layer in source.layers.items():
        try:
            fill_variables(layer, source.variables)
        except ImproperlyConfigured as error:
            hint = "The settings pass the allowed variables to load_logging()."
            yield Error(str(error), hint=hint, id=UNKNOWN_VARIABLE)
        else:
            readable.append(name)
    if "base" not in readable:
        return
    base_errors = _lint_layers(source, "base")
    for name in readable:
        for found in base_errors if name == "base" else _new_errors(source, name, readable, base_errors):
            yield Error(f"{found.origin.place}: {found.message}", hint=found.hint, id=found.id)


def _new_errors(
    source: Source, name: str, readable: Sequence[str], base_errors: Sequence[LintError]
) -> list[LintError]:
    """Return the errors that a layer has over every other layer. An error over only some of them is allowed.

    For example, `container` changes handlers of `production`, so it is correct only if it is merged over that layer.
    """
    others = [other for other in readable if other not in ("base", name)]
    errors = [error for error in _lint_layers(source, "base", name) if error not in base_errors]
    for other in others if errors else ():
        # Compare messages, not lines: if both layers have the same list, the error may have another line.
        messages = {error.message for error in _lint_layers(source, "base", other, name)}
        errors = [error for error in errors if error.message in messages]
    return errors


def _lint_layers(source: Source, *names: str) -> list[LintError]:
    merged = reduce(merge, [source.layers[name] for name in names])
    return lint(fill_variables(merged, source.variables))
