"""HTTP client of the Sentry server of a DSN, its answers and its rate limits.

It uses the SDK's connection pool, with its proxies and certificates.
"""

# Imported before the first event is sent: otherwise the socket module imports it then, in the worker thread. A child
# that is forked in the middle of that import keeps half of the module, and can never connect: "unknown encoding: idna".
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
# urllib3 follows redirects only: the worker decides when to retry.
RETRIES = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=3, respect_retry_after_header=False)

# A revoked key, a missing project and a missing proxy can be repaired; until then the events wait.
RETRY_STATUSES = frozenset({
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
})  # fmt: skip

# A rate limit without a time lasts this long, in the SDK and the protocol too.
DEFAULT_RATE_LIMIT_S = 60.0
# A broken server may ask for more.
MAX_RATE_LIMIT_S = 24 * 3600.0
ALL_CATEGORIES = ""


class Outcome(Enum):
    """What the server did with an envelope: it has it, will never accept it, or may accept it later."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of the server in words; `rate_limits` are seconds by category, see `parse_rate_limits`."""

    outcome: Outcome
    reason: str
    rate_limits: dict[str, float] = field(default_factory=dict)


class Server(HttpTransport):
    """The server, for one process, which does not share its connections. The SDK's queue and thread are not used."""

    def __init__(self, dsn: str, *, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        super().__init__({**DEFAULT_OPTIONS, "dsn": dsn})
        self._read_timeout_s = read_timeout_s

    def post(self, envelope: bytes) -> Answer:
        """Send an envelope. Raises nothing: a server that cannot be reached is an answer too."""
        try:
            body = gzip.compress(add_sent_at(envelope), GZIP_LEVEL)
        except ValueError:
            return Answer(Outcome.REJECTED, "not an envelope")
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
        except Exception as error:  # noqa: BLE001 - from the network, certificates or a proxy
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
    """Return what an HTTP status means for an envelope.

    A server or proxy that is down may accept it later, and so may one whose key or project is repaired.
    """
    if HTTPStatus(200) <= status < HTTPStatus(300):
        return Outcome.ACCEPTED
    is_rejected = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in RETRY_STATUSES
    return Outcome.REJECTED if is_rejected else Outcome.RETRY


def add_sent_at(envelope: bytes) -> bytes:
    """Return the envelope with the time at which it is sent, which tells the server how wrong the sender's clock is.

    Raises `ValueError` if it is not an envelope, such as a file that a power cut left.
    """
    header, _, rest = envelope.partition(b"\n")
    fields = json.loads(header)
    if not isinstance(fields, dict) or not rest.strip():
        raise ValueError("not an envelope")
    fields["sent_at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(fields).encode() + b"\n" + rest


class RateLimits:
    """The times until which the server accepts no events of a category; of one process."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, limits: Mapping[str, float]) -> None:
        """Remember the seconds for which a category, or `ALL_CATEGORIES`, is limited from now on."""
        now = time.monotonic()
        self._until |= {category: now + seconds for category, seconds in limits.items()}

    def remaining_s(self, category: str) -> float:
        """Return how long an event of this category has to wait; 0 if it may be sent."""
        until = max(self._until.get(category, 0), self._until.get(ALL_CATEGORIES, 0))
        return max(0.0, until - time.monotonic())


def parse_rate_limits(status: int, headers: Mapping[str, str]) -> dict[str, float]:
    """Return the rate limits of a response, in seconds by category.

    They are in `X-Sentry-Rate-Limits`, or in `Retry-After` of a response with status 429.
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
    """Parse `60:error;transaction:organization, 2700::organization`; ignore what is not valid."""
    limits = {}
    for each in value.split(","):
        seconds, _, rest = each.strip().partition(":")
        for category in rest.partition(":")[0].split(";"):
            if seconds.replace(".", "", 1).isdecimal():
                limits[category.strip() or ALL_CATEGORIES] = min(float(seconds), MAX_RATE_LIMIT_S)
    return limits


def _parse_retry_after(value: str) -> float:
    """Parse a number of seconds or a date."""
    if value.strip().isdecimal():
        return min(float(value), MAX_RATE_LIMIT_S)
    date = parsedate_tz(value)
    seconds = mktime_tz(date) - time.time() if date else math.nan
    return min(max(seconds, 0.0), MAX_RATE_LIMIT_S) if date else DEFAULT_RATE_LIMIT_S
