"""System checks of the settings OBSERVABILITY and MIDDLEWARE, and of the files that the service writes."""

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004
from django.utils.module_loading import import_string

from observability.conf import KEYS, LIST_OF_STRINGS, Configuration, configuration, find_wrong_values, shared_file
from observability.files import find_readable_files, is_readable_by_others
from observability.recorders.trace_propagation import is_host
from observability.text import format_count

MIDDLEWARE = "observability.middleware.ObservationMiddleware"
SQLITE = "django.db.backends.sqlite3"
# The files that SQLite writes next to a database.
SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")
MAX_NAMED_FILES = 3
READER_METHODS = ("step", "response_started", "closed")


@register("observability")
def check_keys(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """E001: OBSERVABILITY has an unknown key."""
    return [
        Error(
            f"OBSERVABILITY has an unknown key {key!r}.",
            hint=f"Correct or remove the key. Available: {', '.join(sorted(KEYS))}.",
            id="observability.E001",
        )
        for key in getattr(settings, "OBSERVABILITY", {})
        if key not in KEYS
    ]


@register("observability")
def check_values(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """E003: a value of OBSERVABILITY has the wrong type, for example a string instead of a list."""
    written = getattr(settings, "OBSERVABILITY", {})
    return [
        Error(
            f"OBSERVABILITY[{key!r}] is {written[key]!r}. Allowed: {allowed}.",
            hint=_suggest_value(key, written[key], allowed),
            id="observability.E003",
        )
        for key, allowed in find_wrong_values(written).items()
    ]


def _suggest_value(key: str, value: object, allowed: str) -> str:
    if isinstance(value, str) and allowed == LIST_OF_STRINGS:
        return f"Put the string into a list: {[value]!r}."
    default = getattr(Configuration(), key.lower())
    shown = list(default) if isinstance(default, tuple) else default
    return f"Correct the value, or remove the key to use its default, {shown!r}."


@register("observability")
def check_readers(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """E002: a class in READERS is not a reader. A class that cannot be imported already fails in `install_readers`."""
    hint = f"A reader has one or more of the methods {', '.join(READER_METHODS)}. See observability/core/readers.py."
    return [
        Error(f"OBSERVABILITY['READERS'] contains {path!r}, which is not a reader.", hint=hint, id="observability.E002")
        for path in configuration().readers
        if not any(hasattr(import_string(path), method) for method in READER_METHODS)
    ]


@register("observability")
def check_hosts(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """E004: an entry of PROPAGATE_TO is not a host, for example a URL. No outgoing request would match it."""
    written = getattr(settings, "OBSERVABILITY", {}).get("PROPAGATE_TO", ())
    if find_wrong_values({"PROPAGATE_TO": written}):
        return []
    return [
        Error(
            f"OBSERVABILITY['PROPAGATE_TO'] contains {entry!r}, which is not a host.",
            hint="Allowed: 'api.example.com', 'api.example.com:8443', or '.example.com' for all its subdomains.",
            id="observability.E004",
        )
        for entry in written
        if not is_host(entry)
    ]


@register("observability")
def check_middleware(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """W001: ObservationMiddleware is missing or not first in MIDDLEWARE. W002: it is listed more than once."""
    messages: list[CheckMessage] = []
    if MIDDLEWARE not in settings.MIDDLEWARE:
        text = "MIDDLEWARE does not contain ObservationMiddleware: requests are not recorded."
        messages.append(Warning(text, hint=f"Put {MIDDLEWARE!r} first in MIDDLEWARE.", id="observability.W001"))
    elif settings.MIDDLEWARE[0] != MIDDLEWARE:
        text = "ObservationMiddleware is not first in MIDDLEWARE: the work of the middleware before it is not recorded."
        messages.append(Warning(text, hint=f"Put {MIDDLEWARE!r} first in MIDDLEWARE.", id="observability.W001"))
    if settings.MIDDLEWARE.count(MIDDLEWARE) > 1:
        text = "MIDDLEWARE contains ObservationMiddleware more than once: each request is logged more than once."
        messages.append(Warning(text, hint="Keep the first entry and remove the others.", id="observability.W002"))
    return messages


@register("observability")
def check_private_files(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """W003: other users may read files with data of requests or secrets: everything in VAR_DIR, databases, log files.

    STATIC_ROOT is left out: a web server of another user may serve its files.
    """
    if os.name != "posix":
        return []
    directory = (shared_file("x") or Path("/nonexistent/x")).parent
    static = Path(getattr(settings, "STATIC_ROOT", None) or "/nonexistent")
    inside = list(find_readable_files(directory, {static}))
    outside = [path for path in _files_outside(directory) if is_readable_by_others(path)]
    if not inside and not outside:
        return []
    found = [*inside, *outside]
    named = ", ".join(map(str, found[:MAX_NAMED_FILES])) + (", …" if len(found) > MAX_NAMED_FILES else "")
    commands = [f"chmod -R go-rwx {shlex.quote(str(directory))}"] if inside else []
    if outside:
        commands.append(f"chmod go-rwx {shlex.join(map(str, outside))}")
    return [
        Warning(
            f"Other users of this machine can read {format_count(len(found), 'file')} of the service: {named}.",
            hint=f"Run: {' && '.join(commands)}",
            id="observability.W003",
        )
    ]


def _files_outside(directory: Path) -> Iterator[Path]:
    """Yield the SQLite databases, log files and waiting events that are not in VAR_DIR."""
    paths = []
    for database in settings.DATABASES.values():
        if database.get("ENGINE") == SQLITE and database.get("NAME"):
            paths += [Path(f"{database['NAME']}{suffix}") for suffix in SQLITE_SUFFIXES]
    for handler in settings.LOGGING.get("handlers", {}).values():
        if isinstance(handler, dict) and (file := handler.get("filename")):
            paths += [Path(file), *Path(file).parent.glob(f"{Path(file).name}.*")]
    if spool := getattr(settings, "SENTRY_SPOOL_DIR", ""):
        paths.append(Path(spool))
    yield from (path for path in dict.fromkeys(paths) if not path.is_relative_to(directory))
