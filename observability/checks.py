"""System checks of the setting OBSERVABILITY and of MIDDLEWARE."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004
from django.utils.module_loading import import_string

from observability.conf import KEYS, configuration, find_wrong_values
from observability.recorders.trace_propagation import is_host

MIDDLEWARE = "observability.middleware.ObservationMiddleware"
READER_METHODS = ("step", "response_started", "closed")


@register("observability")
def check_keys(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """Check the keys of OBSERVABILITY (E001)."""
    return [
        Error(
            f"OBSERVABILITY has an unknown key {key!r}.",
            hint=f"Available: {', '.join(sorted(KEYS))}.",
            id="observability.E001",
        )
        for key in getattr(settings, "OBSERVABILITY", {})
        if key not in KEYS
    ]


@register("observability")
def check_values(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """Check the types of the values of OBSERVABILITY (E003), such as a string instead of a list."""
    written = getattr(settings, "OBSERVABILITY", {})
    return [
        Error(
            f"OBSERVABILITY[{key!r}] is {written[key]!r}.",
            hint=f"It must be {allowed}{_as_list(written[key], allowed)}.",
            id="observability.E003",
        )
        for key, allowed in find_wrong_values(written).items()
    ]


def _as_list(value: object, allowed: str) -> str:
    return f", such as {[value]!r}" if isinstance(value, str) and allowed == "a list of strings" else ""


@register("observability")
def check_readers(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """Check that each class in READERS is a reader (E002). One that cannot be imported ends the start earlier."""
    hint = f"Give it one of {', '.join(READER_METHODS)}; observability/core/readers.py has the contract."
    return [
        Error(f"OBSERVABILITY['READERS'] contains {path!r}, which is not a reader.", hint=hint, id="observability.E002")
        for path in configuration().readers
        if not any(hasattr(import_string(path), method) for method in READER_METHODS)
    ]


@register("observability")
def check_hosts(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """Check the hosts in PROPAGATE_TO (E004): no request would ever match a URL."""
    written = getattr(settings, "OBSERVABILITY", {}).get("PROPAGATE_TO", ())
    if find_wrong_values({"PROPAGATE_TO": written}):
        return []
    return [
        Error(
            f"OBSERVABILITY['PROPAGATE_TO'] contains {entry!r}, which is not a host.",
            hint="Use 'api.example.com', 'api.example.com:8443', or '.example.com' for all names below it.",
            id="observability.E004",
        )
        for entry in written
        if not is_host(entry)
    ]


@register("observability")
def check_middleware(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """Check that ObservationMiddleware is first, else it sees a part of the request (W001), and not repeated (W002)."""
    messages: list[CheckMessage] = []
    if list(settings.MIDDLEWARE[:1]) != [MIDDLEWARE]:
        text = "ObservationMiddleware is not the first middleware: requests are not observed completely."
        messages.append(Warning(text, hint=f"Put {MIDDLEWARE!r} first in MIDDLEWARE.", id="observability.W001"))
    if settings.MIDDLEWARE.count(MIDDLEWARE) > 1:
        text = "MIDDLEWARE contains ObservationMiddleware twice: each request is logged twice."
        messages.append(Warning(text, hint="Remove all but the first one.", id="observability.W002"))
    return messages
