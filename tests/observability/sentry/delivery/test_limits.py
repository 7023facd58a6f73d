"""The rate limits of a server, and the quota of the spool."""

import time
from email.utils import formatdate

import pytest

from observability.sentry.delivery.limits import (
    ALL_CATEGORIES,
    TOO_MANY_BYTES,
    TOO_OLD,
    RateLimits,
    SpoolQuota,
    parse_rate_limits,
)
from observability.sentry.delivery.spool import QueuedEvent

LIMITS = "X-Sentry-Rate-Limits"


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {}, {}),
        (503, {"Retry-After": "7"}, {}),
        (429, {}, {ALL_CATEGORIES: 60}),
        (429, {"Retry-After": "7"}, {ALL_CATEGORIES: 7}),
        (429, {"Retry-After": "0"}, {ALL_CATEGORIES: 0}),
        (429, {"Retry-After": "soon"}, {ALL_CATEGORIES: 60}),
        (429, {"Retry-After": "-5"}, {ALL_CATEGORIES: 60}),
        (429, {"Retry-After": "9" * 30}, {ALL_CATEGORIES: 86_400}),
        (429, {"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"}, {ALL_CATEGORIES: 0}),
        (429, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, {ALL_CATEGORIES: 86_400}),
        (429, {LIMITS: "100000:error"}, {"error": 86_400}),
        (200, {LIMITS: "60:transaction:organization"}, {"transaction": 60}),
        (
            429,
            {LIMITS: "60:error;transaction:key, 2700::organization"},
            {"error": 60, "transaction": 60, ALL_CATEGORIES: 2700},
        ),
        (429, {LIMITS: "60", "Retry-After": "7"}, {ALL_CATEGORIES: 60}),
        (429, {LIMITS: "1.5:error, nonsense, :error, x:error"}, {"error": 1.5}),
    ],
)
def test_rate_limits_are_parsed(status: int, headers: dict[str, str], expected: dict[str, float]) -> None:
    assert parse_rate_limits(status, headers) == expected


def test_date_is_a_rate_limit_until_then() -> None:
    date = formatdate(time.time() + 100, usegmt=True)
    assert 90 < parse_rate_limits(429, {"Retry-After": date})[ALL_CATEGORIES] <= 100


def test_rate_limit_of_all_categories_holds_for_each() -> None:
    limits = RateLimits()
    limits.add({ALL_CATEGORIES: 100, "error": 1})
    assert 90 < limits.remaining_s("error") <= 100
    assert 90 < limits.remaining_s("transaction") <= 100


def test_rate_limit_of_one_category_holds_for_no_other() -> None:
    limits = RateLimits()
    limits.add({"transaction": 100})
    assert limits.remaining_s("error") == 0


def queued(*written_at: float, size_bytes: int = 10) -> list[QueuedEvent]:
    return [QueuedEvent(f"{each}", "1-01234567", size_bytes, each, "error") for each in written_at]


def excess(quota: SpoolQuota, events: list[QueuedEvent], now: float = 100) -> list[tuple[float, str]]:
    return [(each.written_at, reason) for each, reason in quota.find_excess(events, now)]


def test_oldest_events_are_dropped_until_the_others_fit() -> None:
    assert excess(SpoolQuota(max_bytes=25), queued(1, 2, 3, 4)) == [(1, TOO_MANY_BYTES), (2, TOO_MANY_BYTES)]


def test_events_within_the_quota_stay() -> None:
    assert excess(SpoolQuota(max_bytes=40), queued(1, 2, 3, 4)) == []


def test_old_events_are_dropped_and_count_for_the_bytes() -> None:
    quota = SpoolQuota(max_bytes=20, max_age_s=98)
    assert excess(quota, queued(1, 2, 3, 4)) == [(1, TOO_OLD), (2, TOO_MANY_BYTES)]


def test_event_from_the_future_is_not_old() -> None:
    assert excess(SpoolQuota(max_age_s=1), queued(200)) == []
