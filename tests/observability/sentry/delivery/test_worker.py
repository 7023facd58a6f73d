"""The worker with a server that is unreachable, slow, silent, broken or rate-limited, in one process."""

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from observability.sentry.delivery.backoff import Backoff, read_last_failure
from observability.sentry.delivery.spool import Spool, SpoolQuota, total_bytes
from observability.sentry.delivery.spool_writer import ProcessDirectory
from tests.observability.sentry.conftest import TransportFactory
from tests.observability.sentry.delivery.spooling import (
    QUICK,
    UNREACHABLE_DSN,
    capture,
    envelope_bytes,
    wait_for_failure,
    wait_until_sent,
)
from tests.sentry_sink import Sink, sentry_sink
from tests.server import free_port, wait_for


def test_events_of_an_outage_are_sent_in_order_afterwards(transport_to: TransportFactory) -> None:
    port = free_port()
    transport = transport_to(f"http://key@127.0.0.1:{port}/1")
    ids = capture(transport, 30)
    wait_for_failure(transport, "connection refused")
    with sentry_sink(port) as sink:
        wait_until_sent(transport)
    assert sink.ids == ids
    assert read_last_failure(transport.spool) is None


def test_begin_and_end_of_an_outage_are_logged_once(
    transport_to: TransportFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "observability.sentry")
    port = free_port()
    transport = transport_to(f"http://key@127.0.0.1:{port}/1")
    capture(transport)
    wait_for_failure(transport, "connection refused")
    with sentry_sink(port):
        wait_for(lambda: "sentry_reached" in [record.getMessage() for record in caplog.records], "the end")
    logged = [(record.getMessage(), record.levelname) for record in caplog.records]
    assert logged == [("sentry_unreachable", "WARNING"), ("sentry_reached", "INFO")]


@pytest.mark.parametrize("status", [500, 502, 503, 408, 301])
def test_event_is_sent_again_after_a_temporary_error(transport_to: TransportFactory, sink: Sink, status: int) -> None:
    sink.status = status
    transport = transport_to(sink.dsn)
    ids = capture(transport)
    wait_for(lambda: len(sink.attempts) >= 2, "a second attempt")
    sink.status = 200
    wait_until_sent(transport)
    assert sink.ids == ids


@pytest.mark.parametrize("status", [400, 413, 422])
def test_rejected_event_is_dropped_and_logged_with_the_status(
    transport_to: TransportFactory, sink: Sink, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    sink.status = status
    transport = transport_to(sink.dsn)
    capture(transport)
    wait_for(lambda: caplog.records, "the line")
    (record,) = caplog.records
    facts = record.__dict__["facts"]
    assert (record.name, record.levelname, record.getMessage()) == (
        "observability.sentry",
        "WARNING",
        "sentry_events_dropped",
    )
    assert (facts["dropped_count"], facts["reason"].split()[0]) == (1, str(status))
    assert transport.spool.is_empty()


def test_application_does_not_wait_for_a_slow_server(transport_to: TransportFactory, sink: Sink) -> None:
    sink.answering.clear()
    transport = transport_to(sink.dsn)
    ids = capture(transport, 5)
    assert sink.events == []
    sink.answering.set()
    wait_until_sent(transport)
    assert sink.ids == ids


def test_event_is_sent_again_after_a_timeout(transport_to: TransportFactory, sink: Sink) -> None:
    sink.is_black_hole = True
    transport = transport_to(sink.dsn, read_timeout_s=0.3)
    ids = capture(transport)
    wait_for_failure(transport, "no answer within 0.3 s")
    sink.is_black_hole = False
    wait_until_sent(transport)
    assert sink.ids == ids


def test_worker_waits_for_the_rate_limit(transport_to: TransportFactory, sink: Sink) -> None:
    sink.status, sink.headers = 429, {"X-Sentry-Rate-Limits": "0.3::organization"}
    transport = transport_to(sink.dsn)
    ids = capture(transport, 3)
    wait_for(lambda: sink.attempts, "the first attempt")
    sink.status, sink.headers = 200, {}
    ids += capture(transport)
    wait_until_sent(transport)
    assert sink.ids == ids
    # The first event was sent twice, and nothing was sent between the two attempts.
    assert len(sink.attempts) == 5
    assert sink.attempted_at[1] - sink.attempted_at[0] >= 0.3


def test_429_without_a_time_is_a_rate_limit_of_60_seconds(transport_to: TransportFactory, sink: Sink) -> None:
    sink.status = 429
    transport = transport_to(sink.dsn)
    capture(transport, 3)
    wait_for_failure(transport, "429 Too Many Requests")
    failure = read_last_failure(transport.spool)
    assert failure is not None
    assert 50 < (failure.wait_s or 0) <= 60
    assert len(sink.attempts) == 1


def test_rate_limit_of_transactions_does_not_delay_errors(transport_to: TransportFactory, sink: Sink) -> None:
    sink.limited, sink.headers = {"transaction"}, {"X-Sentry-Rate-Limits": "3600:transaction:organization"}
    transport = transport_to(sink.dsn)
    capture(transport, 2, kind="transaction")
    wait_for_failure(transport, "429")
    ids = capture(transport, 2)
    wait_for(lambda: len(sink.events) == 2, "the errors")
    assert sink.ids == ids
    # The file of an event is removed shortly after the server received the event.
    waiting = transport.spool.events
    wait_for(lambda: [each.category for each in waiting()] == ["transaction"] * 2, "the transactions alone")


def test_spool_stays_within_its_quota_during_an_outage(transport_to: TransportFactory) -> None:
    transport = transport_to(UNREACHABLE_DSN, quota=SpoolQuota(max_bytes=2_000))
    capture(transport, 50)
    newest = transport.spool.events()[-1]
    wait_for(lambda: total_bytes(transport.spool.events()) <= 2_000, "a smaller spool")
    assert transport.spool.events()[-1] == newest


def leave_event_of_dead_process(spool: Spool) -> None:
    """Write an event to the spool, as a process that has ended."""
    directory = ProcessDirectory.create(spool)
    directory.write(envelope_bytes("left"), "error")
    directory.close()


def test_event_of_a_dead_process_is_retried_before_the_next_scan(
    tmp_path: Path, transport_to: TransportFactory, sink: Sink
) -> None:
    leave_event_of_dead_process(Spool.for_dsn(tmp_path / "spool", sink.dsn))
    sink.status = 503
    transport = transport_to(sink.dsn, backoff=replace(QUICK, scan_interval_s=1_000.0))
    wait_for_failure(transport, "503")
    sink.status = 200
    wait_until_sent(transport)
    assert [event["message"] for event in sink.events] == ["left"]


def test_rate_limit_of_own_events_does_not_delay_events_of_dead_processes(
    transport_to: TransportFactory, sink: Sink
) -> None:
    sink.limited, sink.headers = {"transaction"}, {"X-Sentry-Rate-Limits": "3600:transaction:organization"}
    transport = transport_to(sink.dsn)
    capture(transport, kind="transaction")
    wait_for_failure(transport, "429")
    leave_event_of_dead_process(transport.spool)
    wait_for(lambda: sink.events, "the event of the dead process")
    assert [each.category for each in transport.spool.events()][:1] == ["transaction"]


def test_events_are_left_to_other_processes_if_the_thread_cannot_start(
    transport_to: TransportFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of the interpreter, threads cannot be started."""

    def refuse(_: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    transport = transport_to(UNREACHABLE_DSN)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        capture(transport)
    transport.kill()
    (name,) = transport.spool.directories()
    with transport.spool.adopt(name) as is_dead:
        assert is_dead
    assert len(transport.spool.events()) == 1


class CountingBackoff(Backoff):
    """A backoff that keeps the numbers of failures for which a retry delay was requested."""

    numbers: ClassVar[list[int]] = []

    def retry_delay_s(self, failures: int) -> float:
        self.numbers.append(failures)
        return 0.02


def test_retry_delay_is_reset_after_a_success(
    transport_to: TransportFactory, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[int] = []
    monkeypatch.setattr(CountingBackoff, "numbers", numbers)
    sink.status = 503
    transport = transport_to(sink.dsn, backoff=CountingBackoff(gather_s=0.0, start_delay_s=0.0))
    capture(transport)
    wait_for(lambda: len(numbers) >= 2, "two failures")
    sink.status = 200
    wait_until_sent(transport)
    failures = len(numbers)
    sink.status = 503
    capture(transport)
    wait_for(lambda: len(numbers) >= failures + 2, "two failures more")
    assert numbers[: failures + 2] == [*range(1, failures + 1), 1, 2]
