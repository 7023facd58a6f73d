"""Numbers, durations and sizes as readable text."""

import math
from datetime import UTC, datetime

import pytest

from observability.log_analysis.formatting import (
    format_milliseconds,
    format_number,
    format_percent,
    format_size,
    format_time_range,
)
from observability.text import format_count


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (0, "0.0 ms"), (0.04, "0.0 ms"), (9.94, "9.9 ms"), (9.96, "10.0 ms"), (12.4, "12 ms"),
        (999, "999 ms"), (1_000, "1.0 s"), (59_000, "59 s"), (600_000, "10 min"), (7_200_000, "2.0 h"),
        (36_000_000_000, "10,000 h"),
    ],
)  # fmt: skip
def test_duration_has_two_digits_and_a_unit(value: float | None, text: str) -> None:
    assert format_milliseconds(value) == text


@pytest.mark.parametrize("value", ["soon", "", [1], {}, True, math.inf, -math.inf, math.nan, 10**400])
def test_duration_that_is_not_finite_is_empty(value: object) -> None:
    """A line of another program may have any value."""
    assert format_milliseconds(value) == ""


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(0, 5, "-"), (None, 5, "-"), (1, 100_000, "<0.1 %"), (1, 200, "0.5 %"), (1, 2, "50 %")]
)
def test_percentage_above_zero_is_not_shown_as_zero(part: float | None, whole: float, text: str) -> None:
    assert format_percent(part, whole) == text


def test_sizes_are_in_decimal_units() -> None:
    assert [format_size(value) for value in (0, 1_500, 2_000_000, 5e9)] == ["0 B", "1.5 kB", "2.0 MB", "5.0 GB"]


def test_counts_have_separated_thousands_and_agree_with_their_noun() -> None:
    assert (format_number(None), format_number(1_234_567)) == ("", "1,234,567")
    assert [format_count(number, "query", "queries") for number in (0, 1, 2)] == ["0 queries", "1 query", "2 queries"]


def test_time_range_within_a_day_shows_its_date_once() -> None:
    first = datetime(2026, 11, 26, 8, tzinfo=UTC)
    assert format_time_range(first, first.replace(hour=9)) == "2026-11-26 08:00:00 to 09:00:00 UTC"
    assert format_time_range(first, first.replace(day=27)) == "2026-11-26 08:00:00 to 2026-11-27 08:00:00 UTC"
