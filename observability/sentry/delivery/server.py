"""The HTTP client for the Sentry server of a DSN, the server's answers and its rate limits.

It uses the connection pool of the SDK, with its settings for proxies and certificates.
"""

# Import this module early. Otherwise the socket module imports it for the first event, in the worker thread. A child
# that is forked during this import gets an incomplete module, and each connection fails: "unknown encoding: idna".
import encodings.idna  # noqa: F401
import gzip
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz
from enum import Enum
from http import HTTPStatus

import urllib3
from sentry_sdk.consts import DEFAULT_OPTIONS, EndpointType
from sentry_sdk.transport import HttpTransport
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from observability.text import safe_repr

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
GZIP_LEVEL = 6
# urllib3 follows redirects, but does not retry: the worker decides when to retry.
RETRIES = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=3, respect_retry_after_header=False)

# An invalid key, a missing project or a missing proxy can be corrected. Until then, the events wait.
RETRY_STATUSES = frozenset({
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
})  # fmt: skip

# The duration of a rate limit without a time, as in the protocol and in the SDK.
DEFAULT_RATE_LIMIT_S = 60.0
# Longer rate limits are shortened, because a broken server may send any number.
MAX_RATE_LIMIT_S = 24 * 3600.0
ALL_CATEGORIES = ""


class Outcome(Enum):
    """The outcome for an envelope: the server accepted it, rejected it, or may accept it in a retry."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer. `reason` is a short text; `rate_limits` are seconds by category (`parse_rate_limits`)."""

    outcome: Outcome
    reason: str
    rate_limits: dict[str, float] = field(default_factory=dict)


class Server(HttpTransport):
    """The server of a DSN, with connections that belong to one process. The SDK's queue and thread are not used."""

    def __init__(self, dsn: str, *, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        super().__init__({**DEFAULT_OPTIONS, "dsn": dsn})
        self._read_timeout_s = read_timeout_s

    def post(self, envelope: bytes) -> Answer:
        """Send an envelope. It never raises: if the server is unreachable, the answer is RETRY with the reason."""
        try:
            body = gzip.compress(add_sent_at(envelope), GZIP_LEVEL)
        except ValueError:
            return Answer(Outcome.REJECTED, "not a valid envelope")
        headers = {"Content-Type": "application/x-sentry-envelope", "Content-Encoding": "gzip"}
        self._update_headers(headers)
        try:
            response = self._pool.request(
                "POST",
                self._auth.get_api_url(EndpointType.ENVELOPE),
                body=body,
                headers=headers,
                retries=RETRIES,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=self._read_timeout_s),
            )
        except Exception as error:  # noqa: BLE001 - network, certificates and proxies raise many types
            return Answer(Outcome.RETRY, self._describe(error))
        rate_limits = parse_rate_limits(
            response.status, {name.title(): value for name, value in response.headers.items()}
        )
        return Answer(find_outcome(response.status), _describe_status(response.status), rate_limits)

    def _describe(self, error: BaseException) -> str:
        if isinstance(error, MaxRetryError) and error.reason is not None:
            error = error.reason
        if isinstance(error, ReadTimeoutError):
            return f"no answer within {self._read_timeout_s:g} s"
        if isinstance(error, NameResolutionError):
            return "the host name cannot be resolved"
        if isinstance(error, NewConnectionError) and isinstance(error.__cause__, OSError):
            return str(error.__cause__.strerror or error.__cause__).lower()
        if isinstance(error, ConnectTimeoutError):
            return f"no connection within {CONNECT_TIMEOUT_S:g} s"
        return safe_repr(error)


def find_outcome(status: int) -> Outcome:
    """Return the outcome for an HTTP status.

    5xx and RETRY_STATUSES can be temporary: the server or proxy is down, or the key or project is not correct yet.
    """
    if HTTPStatus(200) <= status < HTTPStatus(300):
        return Outcome.ACCEPTED
    is_rejected = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in RETRY_STATUSES
    return Outcome.REJECTED if is_rejected else Outcome.RETRY


def add_sent_at(envelope: bytes) -> bytes:
    """Return the envelope with the current time as `sent_at`. The server uses it to correct a wrong clock.

    Raises `ValueError` if the bytes are not an envelope, for example an incomplete file after a power failure.
    """
    header, _, rest = envelope.partition(b"\n")
    fields = json.loads(header)
    if not isinstance(fields, dict) or not rest.strip():
        raise ValueError("not a valid envelope")
    fields["sent_at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(fields).encode() + b"\n" + rest


class RateLimits:
    """The rate limits that the server has set for this process, by category."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, limits: Mapping[str, float]) -> None:
        """Add rate limits in seconds from now, by category or for `ALL_CATEGORIES`."""
        now = time.monotonic()
        self._until |= {category: now + seconds for category, seconds in limits.items()}

    def remaining_s(self, category: str) -> float:
        """Return the seconds that an event of this category has to wait; 0 if it may be sent now."""
        until = max(self._until.get(category, 0), self._until.get(ALL_CATEGORIES, 0))
        return max(0.0, until - time.monotonic())


def parse_rate_limits(status: int, headers: Mapping[str, str]) -> dict[str, float]:
    """Return the rate limits of a response, in seconds by category.

    They are in the header `X-Sentry-Rate-Limits`, or in `Retry-After` if the status is 429.
    https://develop.sentry.dev/sdk/expected-features/rate-limiting/
    """
    if value := headers.get("X-Sentry-Rate-Limits"):
        return _parse_categories(value)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return {ALL_CATEGORIES: _parse_retry_after(headers.get("Retry-After", ""))}
    return {}


def _describe_status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _parse_categories(value: str) -> dict[str, float]:
    """Parse a text such as `60:error;transaction:organization, 2700::organization`; ignore invalid parts."""
    limits = {}
    for each in value.split(","):
        seconds, _, rest = each.strip().partition(":")
        for category in rest.partition(":")[0].split(";"):
            if seconds.replace(".", "", 1).isdecimal():
                limits[category.strip() or ALL_CATEGORIES] = min(float(seconds), MAX_RATE_LIMIT_S)
    return limits


def _parse_retry_after(value: str) -> float:
    """Parse a number of seconds or a date, and return seconds from now."""
    if value.strip().isdecimal():
        return min(float(value), MAX_RATE_LIMIT_S)
    date = parsedate_tz(value)
    seconds = mktime_tz(date) - time.time() if date else math.nan
    return min(max(seconds, 0.0), MAX_RATE_LIMIT_S) if date else DEFAULT_RATE_LIMIT_S
