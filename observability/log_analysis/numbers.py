"""Numbers as a person reads them in a column."""

import math
from datetime import datetime

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS


def count(value: float | None) -> str:
    """A whole number with its thousands apart."""
    return "" if value is None else f"{value:,.0f}"


def number_of(value: object) -> float | None:
    """Return the value if it is a finite number; None for text, truths and all else that a line may have there."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def milliseconds(written: object) -> str:
    """Return a duration with two digits or more and its unit; nothing if it is no finite number."""
    value = number_of(written)
    if value is None:
        return ""
    if round(value) < SECOND_MS:
        return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"  # noqa: PLR2004 - two digits at least
    for unit_ms, unit in ((SECOND_MS, "s"), (MINUTE_MS, "min"), (HOUR_MS, "h")):
        if value < 100 * unit_ms or unit == "h":
            break
    amount = value / unit_ms
    return f"{amount:,.0f} {unit}" if amount >= 10 else f"{amount:.1f} {unit}"  # noqa: PLR2004


def share(part: float | None, whole: float | None) -> str:
    """A part in per cent; what is there is not shown as 0."""
    if not part or not whole:
        return "-"
    percent = 100 * part / whole
    if percent < 0.1:  # noqa: PLR2004
        return "<0.1 %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"  # noqa: PLR2004


def size(bytes_: float) -> str:
    """A size in bytes, in decimal units."""
    if bytes_ < 1e3:  # noqa: PLR2004
        return f"{bytes_:.0f} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if round(bytes_ / factor, 1) < 1e3 or unit == "GB":  # noqa: PLR2004
            break
    return f"{bytes_ / factor:,.1f} {unit}"


def clock(time: datetime | None, *, with_date: bool = False) -> str:
    """A time of the day in UTC to the second, with its date where that is not plain."""
    if time is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S" if with_date else "%H:%M:%S")


def span(first: datetime, last: datetime) -> str:
    """The time from one moment to another one, which is shown without its date on the same day."""
    end = clock(last, with_date=first.date() != last.date())
    return f"{clock(first, with_date=True)} to {end} UTC"


def items(number: float, one: str, many: str = "") -> str:
    """A number of things: `1 line`, `2 lines`."""
    return f"{count(number)} {one if round(number) == 1 else many or one + 's'}"
