"""The worker against a server that is down, slow, silent, broken or busy, in one process."""

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from observability.sentry.delivery.backoff import Backoff, read_last_failure
from observability.sentry.delivery.spool import Spool, SpoolQuota, total_bytes
from observability.sentry.delivery.spool_writer import ProcessDirectory
from tests.observability.sentry.conftest import Make
from tests.observability.sentry.delivery.spooling import (
    AWAY,
    QUICK,
    capture,
    envelope_bytes,
    wait_for_failure,
    wait_until_sent,
)
from tests.sentry_sink import Sink, sentry_sink
from tests.server import free_port, wait_for


def test_events_of_an_outage_are_sent_when_the_server_is_back_in_their_order(transport_to: Make) -> None:
    port = free_port()
    transport = transport_to(f"http://key@127.0.0.1:{port}/1")
    ids = capture(transport, 30)
    wait_for_failure(transport, "connection refused")
    with sentry_sink(port) as sink:
        wait_until_sent(transport)
    assert sink.ids == ids
    assert read_last_failure(transport.spool) is None


def test_outage_is_logged_once_and_its_end_too(transport_to: Make, caplog: pytest.LogCaptureFixture) -> None:
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
def test_event_that_the_server_did_not_accept_is_sent_again(transport_to: Make, listening: Sink, status: int) -> None:
    listening.status = status
    transport = transport_to(listening.dsn)
    ids = capture(transport)
    wait_for(lambda: len(listening.attempts) >= 2, "a second attempt")
    listening.status = 200
    wait_until_sent(transport)
    assert listening.ids == ids


@pytest.mark.parametrize("status", [400, 413, 422])
def test_event_that_the_server_rejects_is_dropped_with_its_status_in_the_log(
    transport_to: Make, listening: Sink, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    listening.status = status
    transport = transport_to(listening.dsn)
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


def test_slow_server_gets_each_event_once_and_the_caller_does_not_wait(transport_to: Make, listening: Sink) -> None:
    listening.answering.clear()
    transport = transport_to(listening.dsn)
    ids = capture(transport, 5)
    assert listening.events == []
    listening.answering.set()
    wait_until_sent(transport)
    assert listening.ids == ids


def test_server_that_does_not_answer_gets_the_event_again(transport_to: Make, listening: Sink) -> None:
    listening.is_black_hole = True
    transport = transport_to(listening.dsn, read_timeout_s=0.3)
    ids = capture(transport)
    wait_for_failure(transport, "no answer within 0.3 s")
    listening.is_black_hole = False
    wait_until_sent(transport)
    assert listening.ids == ids


def test_rate_limit_of_the_server_is_obeyed(transport_to: Make, listening: Sink) -> None:
    listening.status, listening.headers = 429, {"X-Sentry-Rate-Limits": "0.3::organization"}
    transport = transport_to(listening.dsn)
    ids = capture(transport, 3)
    wait_for(lambda: listening.attempts, "the first attempt")
    listening.status, listening.headers = 200, {}
    ids += capture(transport)
    wait_until_sent(transport)
    assert listening.ids == ids
    # The first event was sent twice, and nothing in between.
    assert len(listening.attempts) == 5
    assert listening.attempted_at[1] - listening.attempted_at[0] >= 0.3


def test_429_without_a_time_is_a_rate_limit_of_a_minute(transport_to: Make, listening: Sink) -> None:
    listening.status = 429
    transport = transport_to(listening.dsn)
    capture(transport, 3)
    wait_for_failure(transport, "429 Too Many Requests")
    failure = read_last_failure(transport.spool)
    assert failure is not None
    assert 50 < (failure.wait_s or 0) <= 60
    assert len(listening.attempts) == 1


def test_rate_limit_of_transactions_does_not_delay_errors(transport_to: Make, listening: Sink) -> None:
    listening.limited, listening.headers = {"transaction"}, {"X-Sentry-Rate-Limits": "3600:transaction:organization"}
    transport = transport_to(listening.dsn)
    capture(transport, 2, kind="transaction")
    wait_for_failure(transport, "429")
    ids = capture(transport, 2)
    wait_for(lambda: len(listening.events) == 2, "the errors")
    assert listening.ids == ids
    # The server has an event a moment before its file goes.
    waiting = transport.spool.events
    wait_for(lambda: [each.category for each in waiting()] == ["transaction"] * 2, "the transactions alone")


def test_spool_stays_within_its_quota_during_an_outage(transport_to: Make) -> None:
    transport = transport_to(AWAY, quota=SpoolQuota(max_bytes=2_000))
    capture(transport, 50)
    newest = transport.spool.events()[-1]
    wait_for(lambda: total_bytes(transport.spool.events()) <= 2_000, "a smaller spool")
    assert transport.spool.events()[-1] == newest


def leave(spool: Spool) -> None:
    """Leave an event, as a process that died."""
    directory = ProcessDirectory.create(spool)
    directory.write(envelope_bytes("left"), "error")
    directory.close()


def test_event_of_a_dead_process_is_sent_again_before_the_next_scan(
    tmp_path: Path, transport_to: Make, listening: Sink
) -> None:
    leave(Spool.for_dsn(tmp_path / "spool", listening.dsn))
    listening.status = 503
    transport = transport_to(listening.dsn, backoff=replace(QUICK, scan_interval_s=1_000.0))
    wait_for_failure(transport, "503")
    listening.status = 200
    wait_until_sent(transport)
    assert [event["message"] for event in listening.events] == ["left"]


def test_rate_limit_of_own_events_does_not_delay_those_of_dead_processes(transport_to: Make, listening: Sink) -> None:
    listening.limited, listening.headers = {"transaction"}, {"X-Sentry-Rate-Limits": "3600:transaction:organization"}
    transport = transport_to(listening.dsn)
    capture(transport, kind="transaction")
    wait_for_failure(transport, "429")
    leave(transport.spool)
    wait_for(lambda: listening.events, "the event of the dead process")
    assert [each.category for each in transport.spool.events()][:1] == ["transaction"]


def test_directory_of_a_process_that_cannot_start_a_thread_is_left_to_others(
    transport_to: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the end of the interpreter."""

    def refuse(_: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    transport = transport_to(AWAY)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        capture(transport)
    transport.kill()
    (name,) = transport.spool.directories()
    with transport.spool.adopt(name) as is_dead:
        assert is_dead
    assert len(transport.spool.events()) == 1


class CountingBackoff(Backoff):
    """Remember the numbers of failures in a row for which there was a retry delay."""

    numbers: ClassVar[list[int]] = []

    def retry_delay_s(self, failures: int) -> float:
        self.numbers.append(failures)
        return 0.02


def test_retry_delay_starts_again_after_a_success(
    transport_to: Make, listening: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[int] = []
    monkeypatch.setattr(CountingBackoff, "numbers", numbers)
    listening.status = 503
    transport = transport_to(listening.dsn, backoff=CountingBackoff(gather_s=0.0, start_delay_s=0.0))
    capture(transport)
    wait_for(lambda: len(numbers) >= 2, "two failures")
    listening.status = 200
    wait_until_sent(transport)
    failures = len(numbers)
    listening.status = 503
    capture(transport)
    wait_for(lambda: len(numbers) >= failures + 2, "two failures more")
    assert numbers[: failures + 2] == [*range(1, failures + 1), 1, 2]
