"""Times and spans of time as a person writes them, and as log files have them. All are UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from observability.log_analysis.mistake import ReadingError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_span = re.compile(r"(\d{1,6})([smhdw])")
_clock = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
ALLOWED = (
    "a time ago, such as 90s, 15m, 2h or 7d, a time of today such as 14:30, or a date such as 2026-11-26T14:30; UTC"
)

# Below each of these a number of the epoch is one of seconds, milliseconds, microseconds; else of nanoseconds.
EPOCH_UNITS = ((1e11, 1), (1e14, 1e3), (1e17, 1e6))


class Span(NamedTuple):
    """From `since` on, until before `until`; None is without an end."""

    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, time: object) -> bool:
        return isinstance(time, datetime) and (
            (self.since is None or time >= self.since) and (self.until is None or time < self.until)
        )


def moment(written: str, option: str, now: datetime | None = None) -> datetime:
    """The time that a person gives; ReadingError tells what can be given."""
    now = now or datetime.now(UTC)
    try:
        if match := _span.fullmatch(written):
            return now - timedelta(**{UNITS[match[2]]: int(match[1])})
        if _clock.fullmatch(written):
            padded = written if written[2] == ":" else f"0{written}"
            return datetime.fromisoformat(f"{now:%Y-%m-%d}T{padded}").replace(tzinfo=UTC)
        time = datetime.fromisoformat(written)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ReadingError(f"{option} is {written!r}: {ALLOWED}.") from None


def duration(written: str, option: str) -> timedelta:
    """A span of time such as 30d; ReadingError tells what can be given."""
    match = _span.fullmatch(written)
    if match is None:
        raise ReadingError(f"{option} is {written!r}: a number with s, m, h, d or w, such as 30d.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def time_of(value: object) -> datetime | None:
    """The time that a log file gives: ISO 8601, with a comma too, or a number of the epoch; None where it is none."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value.replace(",", "."))
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            divisor = next((divisor for limit, divisor in EPOCH_UNITS if value < limit), 1e9)
            return datetime.fromtimestamp(value / divisor, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def rfc_3339(time: datetime) -> str:
    """The time as our lines have it, which sorts as text."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
