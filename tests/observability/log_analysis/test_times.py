"""Times of options, and timestamps of log lines."""

from datetime import UTC, datetime, timedelta

import pytest

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.times import TimeRange, format_timestamp, parse_duration, parse_time, parse_timestamp

NOW = datetime(2026, 11, 26, 18, 30, tzinfo=UTC)
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("1w", NOW - timedelta(days=7)),
        ("12:00", NOON),
        ("9:05", NOON.replace(hour=9, minute=5)),
        ("12:00:00.5", NOON.replace(microsecond=500_000)),
        ("2026-11-26", NOON.replace(hour=0)),
        ("2026-11-26T12:00", NOON),
        ("2026-11-26 13:00+01:00", NOON),
        ("2026-11-26T12:00:00Z", NOON),
    ],
)
def test_time_is_a_duration_before_now_a_time_of_today_or_a_date(written: str, time: datetime) -> None:
    assert parse_time(written, "--since", NOW) == time


@pytest.mark.parametrize("written", ["", "yesterday", "15", "m", "-5m", "25:00", "2026-13-01", "9999999w", "999999w"])
def test_invalid_time_is_reported_with_the_allowed_forms(written: str) -> None:
    with pytest.raises(LogAnalysisError) as caught:
        parse_time(written, "--since", NOW)
    assert str(caught.value).startswith(f"--since is {written!r}, which is not a time. Allowed: ")


@pytest.mark.parametrize(("written", "days"), [("30d", 30), ("2w", 14), ("36h", 1.5)])
def test_duration_has_a_unit(written: str, days: float) -> None:
    assert parse_duration(written, "--keep") == timedelta(days=days)


@pytest.mark.parametrize("written", ["30", "d", "1.5d", "30 d", "-1d"])
def test_invalid_duration_is_reported(written: str) -> None:
    with pytest.raises(LogAnalysisError, match="--keep is "):
        parse_duration(written, "--keep")


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-26T12:00:00.000000Z",
        "2026-11-26 12:00:00,000",
        "2026-11-26T14:00:00+02:00",
        NOON.timestamp(),
        NOON.timestamp() * 1e3,
        int(NOON.timestamp()) * 10**6,
        int(NOON.timestamp()) * 10**9,
    ],
)
def test_timestamp_may_be_text_or_a_number_since_1970(value: object) -> None:
    assert parse_timestamp(value) == NOON


@pytest.mark.parametrize("value", [None, True, "", "noon", [], float("nan"), float("inf"), 10**400, -(10**30)])
def test_invalid_timestamp_is_none(value: object) -> None:
    assert parse_timestamp(value) is None


def test_time_is_formatted_as_in_the_service_logs() -> None:
    assert format_timestamp(NOON.astimezone()) == "2026-11-26T12:00:00.000000Z"


def test_time_range_includes_its_start_but_not_its_end() -> None:
    time_range = TimeRange(NOON, NOW)
    assert [time in time_range for time in (NOON - timedelta(seconds=1), NOON, NOW)] == [False, True, False]
    assert NOW in TimeRange()
    assert None not in TimeRange()
