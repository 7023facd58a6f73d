"""The sender of the events of a spool."""

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
def spool_with_events(tmp_path: Path, sink: Sink) -> Spool:
    """A spool with five events."""
    spool = Spool.for_dsn(tmp_path, sink.dsn)
    directory = ProcessDirectory.create(spool)
    for number in range(5):
        directory.write(envelope_bytes(f"failure {number}"), "error")
    return spool


def facts(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [record.__dict__["facts"] for record in caplog.records if record.getMessage() == "sentry_events_dropped"]


def test_rejected_events_are_one_log_line(
    spool_with_events: Spool, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.status = 400
    assert (
        EventSender(spool_with_events, Server(sink.dsn)).send(spool_with_events.events(), should_stop=lambda: False)
        is None
    )
    assert facts(caplog) == [{"dropped_count": 5, "reason": "400 Bad Request"}]


def test_sending_stops_at_the_first_failure(spool_with_events: Spool, sink: Sink) -> None:
    sink.status = 503
    sender = EventSender(spool_with_events, Server(sink.dsn))
    failure = sender.send(spool_with_events.events(), should_stop=lambda: False)
    assert failure is not None
    assert sender.sent_count == 0
    assert (failure.reason, len(sink.attempts), len(spool_with_events.events())) == ("503 Service Unavailable", 1, 5)


def test_sending_stops_if_should_stop_returns_true(spool_with_events: Spool, sink: Sink) -> None:
    EventSender(spool_with_events, Server(sink.dsn)).send(
        spool_with_events.events(), should_stop=lambda: len(sink.events) == 2
    )
    assert len(spool_with_events.events()) == 3


def test_event_claimed_by_another_process_is_skipped(spool_with_events: Spool, sink: Sink) -> None:
    with spool_with_events.claim(spool_with_events.events()[0]):
        EventSender(spool_with_events, Server(sink.dsn)).send(spool_with_events.events(), should_stop=lambda: False)
    assert (len(sink.events), len(spool_with_events.events())) == (4, 1)


def test_oldest_events_over_the_quota_are_dropped_and_counted(
    spool_with_events: Spool, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    before = spool_with_events.events()
    quota = SpoolQuota(max_bytes=sum(each.size_bytes for each in before[2:]))
    EventSender(spool_with_events, Server(sink.dsn)).enforce_quota(quota, time.time())
    assert spool_with_events.events() == before[2:]
    assert facts(caplog) == [{"dropped_count": 2, "reason": "too many bytes"}]


def test_event_that_cannot_be_removed_is_not_sent_again(
    spool_with_events: Spool, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk became read-only."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(30, "Read-only file system")

    sender = EventSender(spool_with_events, Server(sink.dsn))
    monkeypatch.setattr("os.unlink", refuse)
    for _ in range(2):
        sender.send(spool_with_events.events(), should_stop=lambda: False)
    assert len(sink.events) == 5


def test_rate_limit_stops_later_events_with_its_reason(spool_with_events: Spool, sink: Sink) -> None:
    sink.status, sink.headers = 429, {"Retry-After": "60"}
    sender = EventSender(spool_with_events, Server(sink.dsn))
    for _ in range(2):
        failure = sender.send(spool_with_events.events(), should_stop=lambda: False)
        assert failure is not None
        assert failure.reason == "429 Too Many Requests"
        assert 50 < (failure.wait_s or 0) <= 60
    in_memory = sender.send_from_memory(MemoryEvent(envelope_bytes(), "error"))
    assert in_memory is not None
    assert in_memory.reason == "429 Too Many Requests"
    assert len(sink.attempts) == 1


@pytest.mark.parametrize(("status", "reason"), [(200, None), (400, None), (503, "503 Service Unavailable")])
def test_event_in_memory_is_kept_if_the_server_may_accept_it_later(
    spool_with_events: Spool, sink: Sink, status: int, reason: str | None
) -> None:
    sink.status = status
    failure = EventSender(spool_with_events, Server(sink.dsn)).send_from_memory(MemoryEvent(envelope_bytes(), "error"))
    assert (failure and failure.reason) == reason


def test_claimed_event_over_the_quota_is_not_dropped(spool_with_events: Spool, sink: Sink) -> None:
    sender = EventSender(spool_with_events, Server(sink.dsn))
    with spool_with_events.claim(spool_with_events.events()[0]):
        sender.enforce_quota(SpoolQuota(max_bytes=0), time.time())
    assert sender.dropped == {"too many bytes": 4}
    assert len(spool_with_events.events()) == 1
