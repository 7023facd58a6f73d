"""The rate limits that a server sets."""

import time
from email.utils import formatdate

import pytest

from observability.sentry.delivery.server import ALL_CATEGORIES, RateLimits, parse_rate_limits

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


def test_retry_after_may_be_a_date() -> None:
    date = formatdate(time.time() + 100, usegmt=True)
    assert 90 < parse_rate_limits(429, {"Retry-After": date})[ALL_CATEGORIES] <= 100


def test_rate_limit_of_all_categories_applies_to_each() -> None:
    limits = RateLimits()
    limits.add({ALL_CATEGORIES: 100, "error": 1})
    assert 90 < limits.remaining_s("error") <= 100
    assert 90 < limits.remaining_s("transaction") <= 100


def test_rate_limit_of_one_category_does_not_apply_to_others() -> None:
    limits = RateLimits()
    limits.add({"transaction": 100})
    assert limits.remaining_s("error") == 0
