"""Read environment variables with types, with django-environ.

Each function returns the value of the variable, or `default` if the variable is not set or empty. It raises
`ImproperlyConfigured` if a required variable is not set, or if its value is not allowed. The message names the
variable, the value and what is allowed. A value that may contain a secret is not shown.
"""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

Value = TypeVar("Value")

environment = environ.Env()


def invalid(name: str, value: object, allowed: str) -> ImproperlyConfigured:
    """Return the error for a value that is not allowed."""
    return ImproperlyConfigured(f"{name} is {value!r}. Allowed: {allowed}.")


def invalid_secret(name: str, allowed: str) -> ImproperlyConfigured:
    """Return the error for a value that is not allowed and may contain a secret."""
    return ImproperlyConfigured(
        f"{name} has an invalid value, which may be secret and is not shown. Allowed: {allowed}."
    )


def missing(name: str, allowed: str) -> ImproperlyConfigured:
    """Return the error for a required variable that is not set."""
    return ImproperlyConfigured(f"{name} is not set. Allowed: {allowed}.")


def text(name: str, *, allowed: str, default: str | None = None, pattern: str = ".*") -> str:
    """Return a string. The whole value must match `pattern`."""
    value: str = environment.str(name, default="") or (default or "")
    if not value and default is None:
        raise missing(name, allowed)
    if not re.fullmatch(pattern, value):
        raise invalid(name, value, allowed)
    return value


def secret(name: str, *, allowed: str, is_allowed: Callable[[str], bool], default: str | None = None) -> str:
    """Return a string that is not shown in error messages."""
    value: str = environment.str(name, default="")
    if not value and default is None:
        raise missing(name, allowed)
    if not value:
        return default or ""
    if not is_allowed(value):
        raise invalid_secret(name, allowed)
    return value


def number(
    name: str, kind: Callable[[str], Value], *, default: Value, allowed: str, is_allowed: Callable[[Value], bool]
) -> Value:
    """Return a number of the given kind (`int` or `float`)."""
    raw: str = environment.str(name, default="")
    if not raw:
        return default
    try:
        value = kind(raw)
    except ValueError:
        raise invalid(name, raw, allowed) from None
    if not is_allowed(value):
        raise invalid(name, raw, allowed)
    return value


def flag(name: str, *, default: bool) -> bool:
    """Return a boolean. The value is true, false, yes, no, on, off, 1 or 0, in upper or lower case."""
    raw: str = environment.str(name, default="")
    values = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if not raw:
        return default
    if raw.lower() not in values:
        raise invalid(name, raw, ", ".join(values))
    return values[raw.lower()]


def names(name: str, *, default: list[str] | None = None, allowed: str, pattern: str = ".+") -> list[str]:
    """Return a list of names, which are separated by commas. Each whole name must match `pattern`."""
    found = [part.strip() for part in environment.str(name, default="").split(",") if part.strip()]
    for each in found:
        if not re.fullmatch(pattern, each):
            raise invalid(name, each, allowed)
    if found:
        return found
    if default is None:
        raise missing(name, allowed)
    return default


def database(name: str, *, default: str) -> dict[str, Any]:
    """Return an entry of DATABASES from a URL: SQLite, PostgreSQL, or MySQL and MariaDB."""
    allowed = (
        "a URL such as sqlite:////srv/db.sqlite3, postgresql://user:password@host/name or "
        "mysql://user:password@host/name"
    )
    engines = {f"django.db.backends.{engine}" for engine in ("sqlite3", "postgresql", "mysql")}
    try:
        with warnings.catch_warnings():
            # If django-environ does not know the engine, it warns with the whole URL, which contains the password.
            warnings.simplefilter("ignore", UserWarning)
            entry: dict[str, Any] = environment.db_url(name, default=default)
    except (ValueError, ImproperlyConfigured):
        raise invalid_secret(name, allowed) from None
    if entry.get("ENGINE") not in engines or not entry.get("NAME"):
        raise invalid_secret(name, allowed)
    return entry


def make_directory(name: str, directory: Path) -> None:
    """Create the directory of the SQLite database in a variable, if it does not exist."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        # By default, the database is in VAR_DIR.
        raise ImproperlyConfigured(
            f"The directory {directory} of the SQLite database cannot be created: {error.strerror}. Set {name} or "
            "VAR_DIR to a path that this user can write."
        ) from None
