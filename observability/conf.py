"""The setting OBSERVABILITY, with its defaults."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """OBSERVABILITY, typed; a key is the name of a field in capitals.

    readers: dotted names of reader classes, in the order in which they run.
    trusted_proxy_count: how many proxies stand before the service and append to X-Forwarded-For.
    quiet_paths: paths whose requests leave no access line while they succeed, such as those of health checks.
    slow_query_ms: from this duration on a query is logged as slow.
    server_timing: who gets the Server-Timing header.
    code_root: the directory of the project's own code, to name the line that caused a query.
    redacted_keys: parts of names whose values are never shown, beside those of `observability.redaction`.
    raise_reader_errors: let a failing reader break the work, as tests want it.
    """

    readers: tuple[str, ...] = ()
    trusted_proxy_count: int = 0
    quiet_paths: tuple[str, ...] = ()
    slow_query_ms: float = 100.0
    server_timing: Literal["everyone", "staff", "nobody"] = "staff"
    code_root: str = ""
    redacted_keys: tuple[str, ...] = ()
    raise_reader_errors: bool = False


KEYS = {field.name.upper() for field in fields(Configuration)}


@cache
def configuration() -> Configuration:
    """OBSERVABILITY as it is now; unknown keys are left to the system check observability.E001."""
    written: dict[str, Any] = getattr(settings, "OBSERVABILITY", {})
    values: dict[str, Any] = {key.lower(): value for key, value in written.items() if key in KEYS}
    for key, value in values.items():
        if isinstance(value, list):
            values[key] = tuple(value)
    return Configuration(**values)
