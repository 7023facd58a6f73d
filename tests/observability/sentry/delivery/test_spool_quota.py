"""The quota of the spool."""

from observability.sentry.delivery.spool import TOO_MANY_BYTES, TOO_OLD, QueuedEvent, SpoolQuota


def queued(*written_at: float, size_bytes: int = 10) -> list[QueuedEvent]:
    return [QueuedEvent(f"{each}", "1-01234567", size_bytes, each, "error") for each in written_at]


def excess(quota: SpoolQuota, events: list[QueuedEvent], now: float = 100) -> list[tuple[float, str]]:
    return [(each.written_at, reason) for each, reason in quota.find_excess(events, now)]


def test_oldest_events_are_dropped_until_the_rest_fits() -> None:
    assert excess(SpoolQuota(max_bytes=25), queued(1, 2, 3, 4)) == [(1, TOO_MANY_BYTES), (2, TOO_MANY_BYTES)]


def test_events_within_the_quota_stay() -> None:
    assert excess(SpoolQuota(max_bytes=40), queued(1, 2, 3, 4)) == []


def test_old_events_are_dropped_first_and_reduce_the_size() -> None:
    quota = SpoolQuota(max_bytes=20, max_age_s=98)
    assert excess(quota, queued(1, 2, 3, 4)) == [(1, TOO_OLD), (2, TOO_MANY_BYTES)]


def test_event_from_the_future_is_not_too_old() -> None:
    assert excess(SpoolQuota(max_age_s=1), queued(200)) == []
