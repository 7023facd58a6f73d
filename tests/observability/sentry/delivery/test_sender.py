"""Sending the events of a spool."""

import time
from pathlib import Path

import pytest

from observability.sentry.delivery.sender import EventSender
from observability.sentry.delivery.server import Server
from observability.sentry.delivery.spool import Spool, SpoolQuota
from observability.sentry.delivery.spool_writer import MemoryEvent, ProcessDirectory
from tests.observability.sentry.delivery.spooling import envelope_bytes
from tests.sentry_sink import Sink


@pytest.fixture
def full(tmp_path: Path, listening: Sink) -> Spool:
    """A spool with five events."""
    spool = Spool.for_dsn(tmp_path, listening.dsn)
    directory = ProcessDirectory.create(spool)
    for number in range(5):
        directory.write(envelope_bytes(f"failure {number}"), "error")
    return spool


def facts(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [record.__dict__["facts"] for record in caplog.records if record.getMessage() == "sentry_events_dropped"]


def test_rejected_events_are_one_log_line(full: Spool, listening: Sink, caplog: pytest.LogCaptureFixture) -> None:
    listening.status = 400
    assert EventSender(full, Server(listening.dsn)).send(full.events(), is_over=lambda: False) is None
    assert facts(caplog) == [{"dropped_count": 5, "reason": "400 Bad Request"}]


def test_first_failure_is_the_last_attempt(full: Spool, listening: Sink) -> None:
    listening.status = 503
    sender = EventSender(full, Server(listening.dsn))
    failure = sender.send(full.events(), is_over=lambda: False)
    assert failure is not None
    assert sender.sent_count == 0
    assert (failure.reason, len(listening.attempts), len(full.events())) == ("503 Service Unavailable", 1, 5)


def test_sending_stops_when_it_is_over(full: Spool, listening: Sink) -> None:
    EventSender(full, Server(listening.dsn)).send(full.events(), is_over=lambda: len(listening.events) == 2)
    assert len(full.events()) == 3


def test_event_that_another_process_claimed_is_left_to_it(full: Spool, listening: Sink) -> None:
    with full.claim(full.events()[0]):
        EventSender(full, Server(listening.dsn)).send(full.events(), is_over=lambda: False)
    assert (len(listening.events), len(full.events())) == (4, 1)


def test_oldest_events_over_the_quota_are_dropped_and_counted(
    full: Spool, listening: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    before = full.events()
    quota = SpoolQuota(max_bytes=sum(each.size_bytes for each in before[2:]))
    EventSender(full, Server(listening.dsn)).enforce_quota(quota, time.time())
    assert full.events() == before[2:]
    assert facts(caplog) == [{"dropped_count": 2, "reason": "too many bytes"}]


def test_event_that_cannot_be_removed_is_sent_once(
    full: Spool, listening: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that became read-only."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(30, "Read-only file system")

    sender = EventSender(full, Server(listening.dsn))
    monkeypatch.setattr("os.unlink", refuse)
    for _ in range(2):
        sender.send(full.events(), is_over=lambda: False)
    assert len(listening.events) == 5


def test_rate_limit_holds_for_later_events_with_the_reason_of_the_answer(full: Spool, listening: Sink) -> None:
    listening.status, listening.headers = 429, {"Retry-After": "60"}
    sender = EventSender(full, Server(listening.dsn))
    for _ in range(2):
        failure = sender.send(full.events(), is_over=lambda: False)
        assert failure is not None
        assert failure.reason == "429 Too Many Requests"
        assert 50 < (failure.wait_s or 0) <= 60
    in_memory = sender.send_from_memory(MemoryEvent(envelope_bytes(), "error"))
    assert in_memory is not None
    assert in_memory.reason == "429 Too Many Requests"
    assert len(listening.attempts) == 1


@pytest.mark.parametrize(("status", "reason"), [(200, None), (400, None), (503, "503 Service Unavailable")])
def test_event_in_memory_stays_if_the_server_does_not_accept_it_now(
    full: Spool, listening: Sink, status: int, reason: str | None
) -> None:
    listening.status = status
    failure = EventSender(full, Server(listening.dsn)).send_from_memory(MemoryEvent(envelope_bytes(), "error"))
    assert (failure and failure.reason) == reason


def test_claimed_event_over_the_quota_is_not_counted(full: Spool, listening: Sink) -> None:
    sender = EventSender(full, Server(listening.dsn))
    with full.claim(full.events()[0]):
        sender.enforce_quota(SpoolQuota(max_bytes=0), time.time())
    assert sender.dropped == {"too many bytes": 4}
    assert len(full.events()) == 1
