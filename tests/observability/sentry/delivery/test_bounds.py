"""What has to go."""

from observability.sentry.delivery.bounds import TOO_MANY_BYTES, TOO_OLD, Bounds
from observability.sentry.delivery.spool import Waiting


def waiting(*written_at: float, size_bytes: int = 10) -> list[Waiting]:
    return [Waiting(f"{each}", "1-01234567", size_bytes, each, "error") for each in written_at]


def excess(bounds: Bounds, events: list[Waiting], now: float = 100) -> list[tuple[float, str]]:
    return [(each.written_at, reason) for each, reason in bounds.excess(events, now)]


def test_oldest_go_until_the_others_fit() -> None:
    assert excess(Bounds(max_bytes=25), waiting(1, 2, 3, 4)) == [(1, TOO_MANY_BYTES), (2, TOO_MANY_BYTES)]


def test_those_that_fit_stay() -> None:
    assert excess(Bounds(max_bytes=40), waiting(1, 2, 3, 4)) == []


def test_those_that_are_too_old_go_and_count_for_the_bytes() -> None:
    bounds = Bounds(max_bytes=20, max_age_s=98)
    assert excess(bounds, waiting(1, 2, 3, 4)) == [(1, TOO_OLD), (2, TOO_MANY_BYTES)]


def test_event_from_the_future_is_not_old() -> None:
    assert excess(Bounds(max_age_s=1), waiting(200)) == []
