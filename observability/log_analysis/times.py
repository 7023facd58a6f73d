"""Parse the times of options and the timestamps of log lines. All times are in UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from observability.log_analysis import LogAnalysisError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_duration = re.compile(r"(\d{1,6})([smhdw])")
_time_of_day = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
ALLOWED_TIMES = (
    "a duration before now (90s, 15m, 2h, 7d), a time of today (14:30), or a date (2026-11-26T14:30); in UTC"
)

# A number below the limit, divided by the divisor, is a time in seconds since 1970. The units are seconds, milliseconds
# and microseconds; larger numbers are nanoseconds.
EPOCH_UNITS = ((1e11, 1), (1e14, 1e3), (1e17, 1e6))


class TimeRange(NamedTuple):
    """A time range. `since` is included, `until` is excluded; None means no limit."""

    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, time: object) -> bool:
        return isinstance(time, datetime) and (
            (self.since is None or time >= self.since) and (self.until is None or time < self.until)
        )


def parse_time(text: str, option: str, now: datetime | None = None) -> datetime:
    """Return the time that an option has as text. Raises LogAnalysisError, which names the allowed formats."""
    now = now or datetime.now(UTC)
    try:
        if match := _duration.fullmatch(text):
            return now - timedelta(**{UNITS[match[2]]: int(match[1])})
        if _time_of_day.fullmatch(text):
            padded = text if text[2] == ":" else f"0{text}"
            return datetime.fromisoformat(f"{now:%Y-%m-%d}T{padded}").replace(tzinfo=UTC)
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise LogAnalysisError(f"{option} is {text!r}, which is not a time. Allowed: {ALLOWED_TIMES}.") from None


def parse_duration(text: str, option: str) -> timedelta:
    """Return the duration of a text such as 30d. Raises LogAnalysisError, which names the allowed format."""
    match = _duration.fullmatch(text)
    if match is None:
        raise LogAnalysisError(
            f"{option} is {text!r}, which is not a duration. Allowed: a number with s, m, h, d or w, such as 30d."
        )
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def parse_timestamp(value: object) -> datetime | None:
    """Return the time of a log line: ISO 8601, also with a decimal comma, or a number since 1970; else None."""
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


def format_timestamp(time: datetime) -> str:
    """Return the time in the format of the service's log lines (RFC 3339, UTC, microseconds), which sorts as text."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
