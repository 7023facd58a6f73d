"""The setting OBSERVABILITY: its keys, their types and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """The setting OBSERVABILITY as typed values. A key of the setting is the name of a field in upper case.

    readers: dotted names of reader classes, in the order in which they run.
    trusted_proxy_count: the number of proxies in front of the service that append to X-Forwarded-For.
    quiet_paths: paths whose successful requests are not logged, such as health checks. `/tools/*` matches all paths
        that start with `/tools/`.
    slow_query_ms: a query that takes this long or longer is logged as slow.
    server_timing: who gets the Server-Timing header.
    code_root: the directory of the project's own code. It is needed to find the source line that ran a query.
    propagate_to: hosts that get the trace headers in outgoing requests. `.example.com` matches all its subdomains.
    redacted_keys: parts of key names whose values are redacted, in addition to those in `observability.redaction.keys`.
    budget_file: the file with the query budget of each route, relative to `code_root`.
    var_dir: the directory for files that the processes of this machine share, relative to `code_root`: log levels set
        by `manage.py loglevel`, routes already reported as over budget, and profiles. If empty, nothing is shared.
    release: the version of the service.
    developer_hosts: hosts, in addition to those of this machine such as localhost, at which a developer opens the
        service. `.example.com` matches all its subdomains.
    raise_reader_errors: raise the exceptions of readers instead of printing them to stderr. For tests.
    """

    readers: tuple[str, ...] = ()
    trusted_proxy_count: int = 0
    quiet_paths: tuple[str, ...] = ()
    slow_query_ms: float = 100.0
    server_timing: Literal["everyone", "staff", "nobody"] = "staff"
    code_root: str = ""
    propagate_to: tuple[str, ...] = ()
    redacted_keys: tuple[str, ...] = ()
    budget_file: str = ""
    var_dir: str = ""
    release: str = ""
    developer_hosts: tuple[str, ...] = ()
    raise_reader_errors: bool = False


KEYS = {field.name.upper() for field in fields(Configuration)}
LIST_OF_STRINGS = "a list of strings"


def find_wrong_values(written: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys of OBSERVABILITY whose value has the wrong type, each with a text that says what is allowed."""
    hints = get_type_hints(Configuration)
    allowed = {key: _describe_allowed(hints[key.lower()], value) for key, value in written.items() if key in KEYS}
    return {key: text for key, text in allowed.items() if text}


def _describe_allowed(hint: Any, value: Any) -> str:  # noqa: ANN401 - a type, and any value of the settings
    """Return a text about what the type of a field allows; "" if the value is allowed."""
    if get_origin(hint) is Literal:
        return "" if value in get_args(hint) else f"one of {', '.join(map(repr, get_args(hint)))}"
    if get_origin(hint) is tuple:
        is_list = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        return "" if is_list else LIST_OF_STRINGS
    if hint in (int, float):
        is_number = isinstance(value, int if hint is int else (int, float)) and not isinstance(value, bool)
        kind = "a whole number" if hint is int else "a number"
        return "" if is_number and value >= 0 else f"{kind}, 0 or more"
    names = {str: "a string", bool: "True or False"}
    return "" if isinstance(value, hint) else names.get(hint, f"of the type {hint}")


@cache
def configuration() -> Configuration:
    """Return the current value of OBSERVABILITY.

    Unknown keys and wrong types raise nothing here. The system checks observability.E001 and E003 report them.
    """
    written: dict[str, Any] = getattr(settings, "OBSERVABILITY", {})
    values: dict[str, Any] = {key.lower(): value for key, value in written.items() if key in KEYS}
    for key, value in values.items():
        if isinstance(value, list):
            values[key] = tuple(value)
    return Configuration(**values)


def shared_file(name: str) -> Path | None:
    """Return the path of a file in VAR_DIR, or None if VAR_DIR is empty."""
    directory = configuration().var_dir
    return Path(configuration().code_root or Path.cwd()) / directory / name if directory else None


class QuietPaths:
    """The paths in OBSERVABILITY["QUIET_PATHS"]: `path in QuietPaths()`."""

    def __init__(self) -> None:
        paths = configuration().quiet_paths
        self._paths = frozenset(path for path in paths if not path.endswith("*"))
        self._prefixes = tuple(path.removesuffix("*") for path in paths if path.endswith("*"))

    def __contains__(self, path: str) -> bool:
        return path in self._paths or path.startswith(self._prefixes)
