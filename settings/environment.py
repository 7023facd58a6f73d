"""Typed reading of environment variables, by django-environ.

Each function returns the variable's value, or `default` if the variable is not set. A variable that is required and
missing, or whose value is not allowed, raises `ImproperlyConfigured` with one sentence that names the variable, the
value and what is allowed. Values of secrets are never repeated.
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


def refused(name: str, value: object, allowed: str) -> ImproperlyConfigured:
    """The error for a variable whose value is not allowed."""
    return ImproperlyConfigured(f"{name} is {value!r}: {allowed}.")


def missing(name: str, allowed: str) -> ImproperlyConfigured:
    """The error for a variable that is required and not set."""
    return ImproperlyConfigured(f"{name} is not set: {allowed}.")


def text(name: str, *, allowed: str, default: str | None = None, pattern: str = ".*") -> str:
    """A string that matches `pattern` as a whole; an empty value counts as not set."""
    value: str = environment.str(name, default="") or (default or "")
    if not value and default is None:
        raise missing(name, allowed)
    if not re.fullmatch(pattern, value):
        raise refused(name, value, allowed)
    return value


def secret(name: str, *, allowed: str, is_allowed: Callable[[str], bool], default: str | None = None) -> str:
    """A string that no message may show; an empty value counts as not set."""
    value: str = environment.str(name, default="")
    if not value and default is None:
        raise missing(name, allowed)
    if not value:
        return default or ""
    if not is_allowed(value):
        raise refused(name, "…", f"{allowed} (the value is not shown)")
    return value


def number(
    name: str, kind: Callable[[str], Value], *, default: Value, allowed: str, is_allowed: Callable[[Value], bool]
) -> Value:
    """A number of the given kind (`int` or `float`)."""
    written: str = environment.str(name, default="")
    if not written:
        return default
    try:
        value = kind(written)
    except ValueError:
        raise refused(name, written, allowed) from None
    if not is_allowed(value):
        raise refused(name, written, allowed)
    return value


def flag(name: str, *, default: bool) -> bool:
    """A boolean: true, false, yes, no, on, off, 1 or 0."""
    written: str = environment.str(name, default="").lower()
    values = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if not written:
        return default
    if written not in values:
        raise refused(name, written, f"one of {', '.join(values)}")
    return values[written]


def names(name: str, *, default: list[str] | None = None, allowed: str, pattern: str = ".+") -> list[str]:
    """A list of names, separated by commas, each of which matches `pattern` as a whole."""
    found = [part.strip() for part in environment.str(name, default="").split(",") if part.strip()]
    for each in found:
        if not re.fullmatch(pattern, each):
            raise refused(name, each, allowed)
    if found:
        return found
    if default is None:
        raise missing(name, allowed)
    return default


def database(name: str, *, default: str) -> dict[str, Any]:
    """An entry of DATABASES from a URL such as `postgresql://user:password@host/name`, for one of three engines."""
    allowed = (
        "a URL such as sqlite:////srv/db.sqlite3, postgresql://user:password@host/name or "
        "mysql://user:password@host/name (the value is not shown, it may hold a password)"
    )
    engines = {f"django.db.backends.{engine}" for engine in ("sqlite3", "postgresql", "mysql")}
    try:
        with warnings.catch_warnings():
            # Of an engine that it does not know django-environ warns with the password.
            warnings.simplefilter("ignore", UserWarning)
            entry: dict[str, Any] = environment.db_url(name, default=default)
    except (ValueError, ImproperlyConfigured):
        raise refused(name, "…", allowed) from None
    if entry.get("ENGINE") not in engines or not entry.get("NAME"):
        raise refused(name, "…", allowed)
    return entry


def make_directory(name: str, directory: Path) -> None:
    """Make the directory that a variable asks for, if it is not there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        allowed = f"a place that can be written; {directory} cannot be made ({error.strerror})"
        raise refused(name, "…", allowed) from None
