"""Sending what waits."""

import time
from pathlib import Path

import pytest

from observability.sentry.delivery.bounds import Bounds
from observability.sentry.delivery.dispatch import Dispatch
from observability.sentry.delivery.outbox import Letter
from observability.sentry.delivery.own_directory import OwnDirectory
from observability.sentry.delivery.server import Server
from observability.sentry.delivery.spool import Spool
from tests.observability.sentry.delivery.spooling import envelope_bytes
from tests.sentry_sink import Sink


@pytest.fixture
def full(tmp_path: Path, listening: Sink) -> Spool:
    """A spool with five events."""
    spool = Spool.of(tmp_path, listening.dsn)
    directory = OwnDirectory.make(spool)
    for number in range(5):
        directory.write(envelope_bytes(f"failure {number}"), "error")
    return spool


def facts(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [record.__dict__["facts"] for record in caplog.records if record.getMessage() == "sentry_events_dropped"]


def test_events_that_are_refused_are_one_line(full: Spool, listening: Sink, caplog: pytest.LogCaptureFixture) -> None:
    listening.status = 400
    assert Dispatch(full, Server(listening.dsn)).send(full.waiting(), is_over=lambda: False) is None
    assert facts(caplog) == [{"dropped_count": 5, "reason": "400 Bad Request"}]


def test_first_failure_is_the_last_attempt(full: Spool, listening: Sink) -> None:
    listening.status = 503
    dispatch = Dispatch(full, Server(listening.dsn))
    trouble = dispatch.send(full.waiting(), is_over=lambda: False)
    assert trouble is not None
    assert dispatch.sent_count == 0
    assert (trouble.reason, len(listening.attempts), len(full.waiting())) == ("503 Service Unavailable", 1, 5)


def test_end_leaves_the_rest(full: Spool, listening: Sink) -> None:
    Dispatch(full, Server(listening.dsn)).send(full.waiting(), is_over=lambda: len(listening.events) == 2)
    assert len(full.waiting()) == 3


def test_event_that_another_process_sends_is_left_to_it(full: Spool, listening: Sink) -> None:
    with full.taken(full.waiting()[0]):
        Dispatch(full, Server(listening.dsn)).send(full.waiting(), is_over=lambda: False)
    assert (len(listening.events), len(full.waiting())) == (4, 1)


def test_oldest_beyond_the_bounds_are_dropped_and_counted(
    full: Spool, listening: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    before = full.waiting()
    bounds = Bounds(max_bytes=sum(each.size_bytes for each in before[2:]))
    Dispatch(full, Server(listening.dsn)).enforce(bounds, time.time())
    assert full.waiting() == before[2:]
    assert facts(caplog) == [{"dropped_count": 2, "reason": "too many bytes"}]


def test_event_that_cannot_be_removed_is_sent_once(
    full: Spool, listening: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that became read-only."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(30, "Read-only file system")

    dispatch = Dispatch(full, Server(listening.dsn))
    monkeypatch.setattr("os.unlink", refuse)
    for _ in range(2):
        dispatch.send(full.waiting(), is_over=lambda: False)
    assert len(listening.events) == 5


def test_limit_holds_for_later_events_with_the_reason_of_the_answer(full: Spool, listening: Sink) -> None:
    listening.status, listening.headers = 429, {"Retry-After": "60"}
    dispatch = Dispatch(full, Server(listening.dsn))
    for _ in range(2):
        trouble = dispatch.send(full.waiting(), is_over=lambda: False)
        assert trouble is not None
        assert trouble.reason == "429 Too Many Requests"
        assert 50 < (trouble.wait_s or 0) <= 60
    in_memory = dispatch.send_letter(Letter(envelope_bytes(), "error"))
    assert in_memory is not None
    assert in_memory.reason == "429 Too Many Requests"
    assert len(listening.attempts) == 1


@pytest.mark.parametrize(("status", "reason"), [(200, None), (400, None), (503, "503 Service Unavailable")])
def test_event_in_memory_stays_if_the_server_cannot_take_it_now(
    full: Spool, listening: Sink, status: int, reason: str | None
) -> None:
    listening.status = status
    trouble = Dispatch(full, Server(listening.dsn)).send_letter(Letter(envelope_bytes(), "error"))
    assert (trouble and trouble.reason) == reason


def test_event_beyond_the_bounds_that_is_being_sent_is_not_counted(full: Spool, listening: Sink) -> None:
    dispatch = Dispatch(full, Server(listening.dsn))
    with full.taken(full.waiting()[0]):
        dispatch.enforce(Bounds(max_bytes=0), time.time())
    assert dispatch.dropped == {"too many bytes": 4}
    assert len(full.waiting()) == 1
