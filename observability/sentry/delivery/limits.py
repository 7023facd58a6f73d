"""What the server asked for: to be left alone for a time, with events of some categories or of all."""

import math
import time
from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz

# A limit without a time, as the SDK and the protocol have it.
UNTOLD_S = 60.0
# What a broken server may say is not believed for longer.
LONGEST_S = 24 * 3600.0
ALL = ""


class Limits:
    """Until when the server takes no events of a category; of one process."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, limits: Mapping[str, float]) -> None:
        """Note the seconds for which a category, or `ALL`, is limited."""
        now = time.monotonic()
        self._until |= {category: now + seconds for category, seconds in limits.items()}

    def remaining_s(self, category: str) -> float:
        """How long an event of this category has to wait still; 0 where it may be sent."""
        until = max(self._until.get(category, 0), self._until.get(ALL, 0))
        return max(0.0, until - time.monotonic())


def limits_of(status: int, headers: Mapping[str, str]) -> dict[str, float]:
    """The seconds for which an answer limits categories, by `X-Sentry-Rate-Limits`, or by 429 and `Retry-After`.

    https://develop.sentry.dev/sdk/expected-features/rate-limiting/
    """
    if written := headers.get("X-Sentry-Rate-Limits"):
        return _by_category(written)
    return {ALL: _retry_after_s(headers.get("Retry-After", ""))} if status == 429 else {}  # noqa: PLR2004


def _by_category(written: str) -> dict[str, float]:
    """Of `60:error;transaction:organization, 2700::organization`; what cannot be read is left out."""
    limits = {}
    for each in written.split(","):
        seconds, _, rest = each.strip().partition(":")
        for category in rest.partition(":")[0].split(";"):
            if seconds.replace(".", "", 1).isdecimal():
                limits[category.strip() or ALL] = min(float(seconds), LONGEST_S)
    return limits


def _retry_after_s(written: str) -> float:
    """Of a number of seconds, or a date."""
    if written.strip().isdecimal():
        return min(float(written), LONGEST_S)
    date = parsedate_tz(written)
    seconds = mktime_tz(date) - time.time() if date else math.nan
    return min(max(seconds, 0.0), LONGEST_S) if date else UNTOLD_S
