"""System checks of the core: misconfiguration is told at the start, with what to do."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004
from django.utils.module_loading import import_string

from observability.conf import KEYS, configuration, wrong_values
from observability.recorders.trace_propagation import is_host

MIDDLEWARE = "observability.middleware.ObservationMiddleware"
READER_METHODS = ("step", "response_started", "closed")


@register("observability")
def check_keys(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """E001: a key of OBSERVABILITY that nothing reads."""
    return [
        Error(
            f"OBSERVABILITY has an unknown key {key!r}.",
            hint=f"Known are {', '.join(sorted(KEYS))}.",
            id="observability.E001",
        )
        for key in getattr(settings, "OBSERVABILITY", {})
        if key not in KEYS
    ]


@register("observability")
def check_values(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """E003: a value of OBSERVABILITY of the wrong type, such as a string in the place of a list."""
    written = getattr(settings, "OBSERVABILITY", {})
    return [
        Error(
            f"OBSERVABILITY[{key!r}] is {written[key]!r}.",
            hint=f"It is {allowed}{_as_list(written[key], allowed)}.",
            id="observability.E003",
        )
        for key, allowed in wrong_values(written).items()
    ]


def _as_list(value: object, allowed: str) -> str:
    return f", such as {[value]!r}" if isinstance(value, str) and allowed == "a list of strings" else ""


@register("observability")
def check_readers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """E002: a name in READERS that is no reader; one that cannot be imported stops the start already."""
    hint = f"Give it one of {', '.join(READER_METHODS)}; observability/core/readers.py has the contract."
    return [
        Error(f"OBSERVABILITY['READERS'] names {path!r}, which is no reader.", hint=hint, id="observability.E002")
        for path in configuration().readers
        if not any(hasattr(import_string(path), method) for method in READER_METHODS)
    ]


@register("observability")
def check_hosts(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """E004: an entry of PROPAGATE_TO that is no host, such as a URL: no call would ever match it."""
    written = getattr(settings, "OBSERVABILITY", {}).get("PROPAGATE_TO", ())
    if wrong_values({"PROPAGATE_TO": written}):
        return []
    return [
        Error(
            f"OBSERVABILITY['PROPAGATE_TO'] has {entry!r}, which is no host.",
            hint="It is a host such as 'api.example.com' or 'api.example.com:8443', or '.example.com' for all below.",
            id="observability.E004",
        )
        for entry in written
        if not is_host(entry)
    ]


@register("observability")
def check_middleware(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """W001: the middleware is absent, or not the first, so that it does not see the whole request."""
    if list(settings.MIDDLEWARE[:1]) == [MIDDLEWARE]:
        return []
    return [
        Warning(
            "Requests are not observed as a whole.",
            hint=f"Make {MIDDLEWARE!r} the first entry of MIDDLEWARE.",
            id="observability.W001",
        )
    ]
