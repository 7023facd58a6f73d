"""Limit delivery: the rate limits of the server, and the quota of the spool."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from http import HTTPStatus

from observability.sentry.delivery.spool import QueuedEvent

# A rate limit without a time lasts this long, in the SDK and the protocol too.
DEFAULT_RATE_LIMIT_S = 60.0
# A broken server may ask for more.
MAX_RATE_LIMIT_S = 24 * 3600.0
ALL_CATEGORIES = ""
TOO_OLD = "too old"
TOO_MANY_BYTES = "too many bytes"


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


@dataclass(frozen=True, slots=True)
class SpoolQuota:
    """How much the spool of one project may hold, of all processes together. The oldest events are dropped first."""

    max_bytes: int = 100_000_000
    max_age_s: float = 30 * 24 * 3600.0

    def find_excess(self, events: Sequence[QueuedEvent], now: float) -> Iterator[tuple[QueuedEvent, str]]:
        """Yield the events to drop and why. `events` are sorted, the oldest first; `now` is the wall clock time."""
        excess_bytes = total_bytes(events) - self.max_bytes
        for event in events:
            is_old = now - event.written_at > self.max_age_s
            if not is_old and excess_bytes <= 0:
                return
            yield event, TOO_OLD if is_old else TOO_MANY_BYTES
            excess_bytes -= event.size_bytes


def total_bytes(events: Iterable[QueuedEvent]) -> int:
    """Return the size of these events."""
    return sum(event.size_bytes for event in events)


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
