"""Limits for failed logins, per client address and per username, at every place that asks for a password.

Each failure appends one byte to a file: the size of a file is a number of failures, and all processes of a machine share
it. A database would not do: the transaction of a failed request is rolled back.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from observability import current
from service.models import User

log = structlog.get_logger(__name__)

# Failures in one window of time. The limit per username is higher: anybody can use it up for somebody else.
WINDOW_S = 600
MAX_FAILURES = {"address": 20, "username": 100}


now = time.time


class LoginBlocked(Exception):
    """There were too many failed logins. `RequestLimitsMiddleware` answers with 429 and `Retry-After`."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many failed logins. Try again in {retry_after_s} seconds.")
        self.retry_after_s = retry_after_s


class LimitedModelBackend(ModelBackend):
    """Authenticate by username and password, and raise `LoginBlocked` after too many failures.

    A blocked password is not compared: not even the right one is accepted, and no processor time is spent.
    """

    def authenticate(  # type: ignore[override] # Django passes the username by the name of its field
        self, request: HttpRequest | None, **credentials: Any
    ) -> User | None:
        """Return the user, or None if the password is wrong."""
        name = credentials.get(User.USERNAME_FIELD)
        for kind, path in _counters(name):
            if _size(path) >= MAX_FAILURES[kind]:
                log.warning("login_blocked", limit=kind, **_who(name))
                raise LoginBlocked(WINDOW_S - int(now()) % WINDOW_S)
        return super().authenticate(request, **credentials)


def count_failure(*, credentials: dict[str, Any], **_: object) -> None:
    """Count and log a failed login. A receiver of `user_login_failed`."""
    name = credentials.get(User.USERNAME_FIELD)
    log.warning("login_failed", **_who(name))
    try:
        for _kind, path in _counters(name):
            _append(path)
    except OSError as error:
        log.warning("login_failure_not_counted", directory=settings.LOGIN_FAILURES_DIR, problem=error.strerror)


def _who(name: object) -> dict[str, object]:
    """Return the keys of the log line. An unknown username is not logged: it may be a password in the wrong field."""
    is_known = isinstance(name, str) and "\0" not in name and User.objects.filter(username=name).exists()
    return {"client.address": _address(), "username": name if is_known else None}


def _address() -> str | None:
    """Return the client's address as the access log has it; None outside of a request."""
    observation = current()
    http = observation.root.http if observation is not None else None
    return http.client_address if http is not None else None


def _counters(name: object) -> Iterator[tuple[str, Path]]:
    """Yield the kind and the file of each counter of this attempt, in the current window."""
    if not settings.LOGIN_FAILURES_DIR:
        return
    window = Path(settings.LOGIN_FAILURES_DIR, str(int(now()) // WINDOW_S))
    values = {"address": _network(_address()), "username": name if isinstance(name, str) else None}
    for kind, value in values.items():
        if value:
            yield kind, window / salted_hmac(f"service.login_limits.{kind}", value).hexdigest()


def _network(address: str | None) -> str | None:
    """Return the address, or for IPv6 the first 64 bits of it, because one client has all addresses of a network."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return parsed.packed[:8].hex()
    return str(parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else str(parsed)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _append(path: Path) -> None:
    """Append one byte. The first failure of a window deletes the windows before it."""
    if not path.parent.is_dir():
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in path.parent.parent.iterdir():
            if old.name.isdigit() and int(old.name) < int(path.parent.name):
                shutil.rmtree(old, ignore_errors=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):  # another process has begun the next window
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, b".")
        finally:
            os.close(descriptor)
