"""The transport of the SDK with its worker, in one process."""

import shutil
from pathlib import Path

import pytest
from sentry_sdk.envelope import Envelope

from observability.sentry.delivery.backoff import read_last_failure
from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.transport import SpoolTransport, _start_in_child
from tests.observability.disk_space import space_of
from tests.observability.sentry.conftest import TransportFactory
from tests.observability.sentry.delivery.spooling import (
    UNREACHABLE_DSN,
    capture,
    dropped_counts,
    wait_until_sent,
)
from tests.sentry_sink import Sink
from tests.server import DEADLINE_S, wait_for


def try_to_remove(directory: Path) -> bool:
    """Try to remove a directory to which the thread may write at the same time; return whether it worked."""
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


def test_accepted_event_is_removed_from_the_spool(transport_to: TransportFactory, sink: Sink) -> None:
    transport = transport_to(sink.dsn)
    ids = capture(transport, 5)
    wait_until_sent(transport)
    assert sink.ids == ids


def test_event_is_on_disk_after_capture(transport_to: TransportFactory) -> None:
    transport = transport_to(UNREACHABLE_DSN)
    capture(transport)
    assert len(transport.spool.events()) == 1


def test_events_are_sent_from_memory_if_the_disk_is_full(
    transport_to: TransportFactory, sink: Sink, capsys: pytest.CaptureFixture[str]
) -> None:
    sink.status = 503
    transport = transport_to(sink.dsn)
    with space_of(0):
        ids = capture(transport, 3)
        wait_for(lambda: sink.attempts, "an attempt")
        sink.status = 200
        wait_for(lambda: len(sink.events) == 3, "the events")
    assert sorted(sink.ids) == sorted(ids)
    assert "cannot be written: File too large. Up to 100 events are kept in memory.\n" in capsys.readouterr().err


def test_events_in_memory_are_written_when_the_disk_has_space(transport_to: TransportFactory) -> None:
    transport = transport_to(UNREACHABLE_DSN)
    with space_of(0):
        capture(transport, 3)
    wait_for(lambda: len(transport.spool.events()) == 3, "files")


def test_events_over_the_memory_limit_are_logged_as_dropped(
    transport_to: TransportFactory, caplog: pytest.LogCaptureFixture
) -> None:
    transport = transport_to(UNREACHABLE_DSN)
    with space_of(0):
        capture(transport, 110)
        wait_for(lambda: dropped_counts(caplog.records)["too many in memory"] >= 9, "the log lines of dropped events")
        transport.kill()
        wait_for(lambda: dropped_counts(caplog.records).total() >= 110, "the log line of the other events")
    dropped = dropped_counts(caplog.records)
    # The thread may hold one event while a new one is captured.
    assert dropped.pop("too many in memory") in (9, 10)
    assert dropped.keys() == {"still in memory when the process ended"}
    assert dropped_counts(caplog.records).total() == 110


def test_events_in_memory_at_the_end_are_logged_as_dropped(
    transport_to: TransportFactory, caplog: pytest.LogCaptureFixture
) -> None:
    transport = transport_to(UNREACHABLE_DSN)
    with space_of(0):
        capture(transport, 3)
        transport.flush(DEADLINE_S)
        transport.kill()
        wait_for(lambda: dropped_counts(caplog.records).total() >= 3, "the line")
    assert dropped_counts(caplog.records) == {"still in memory when the process ended": 3}


def test_event_is_sent_if_the_spool_cannot_be_created(
    tmp_path: Path, transport_to: TransportFactory, sink: Sink
) -> None:
    (tmp_path / "spool").write_text("a file")
    ids = capture(transport_to(sink.dsn))
    wait_for(lambda: sink.events, "the event")
    assert sink.ids == ids


def test_removed_spool_is_created_again(transport_to: TransportFactory) -> None:
    transport = transport_to(UNREACHABLE_DSN)
    capture(transport)
    wait_for(lambda: try_to_remove(transport.spool.root), "the end of the spool")
    capture(transport)
    assert len(transport.spool.events()) == 1


def test_events_of_another_project_are_not_sent(transport_to: TransportFactory, sink: Sink) -> None:
    first = transport_to(UNREACHABLE_DSN)
    capture(first)
    first.kill()
    second = transport_to(sink.dsn)
    ids = capture(second)
    wait_until_sent(second)
    assert sink.ids == ids
    assert len(first.spool.events()) == 1


def test_new_key_of_the_same_project_sends_its_events(transport_to: TransportFactory, sink: Sink) -> None:
    sink.status = 503
    first = transport_to(sink.dsn)
    ids = capture(first)
    first.kill()
    sink.status = 200
    second = transport_to(sink.dsn.replace("key@", "new@"))
    wait_until_sent(second)
    assert sink.ids == ids


def test_flush_returns_after_the_events_were_sent(transport_to: TransportFactory, sink: Sink) -> None:
    sink.delay_s = 0.05
    transport = transport_to(sink.dsn)
    ids = capture(transport, 3)
    transport.flush(20)
    assert sink.ids == ids


def test_flush_stops_waiting_after_its_timeout(transport_to: TransportFactory, sink: Sink) -> None:
    sink.is_black_hole = True
    transport = transport_to(sink.dsn)
    capture(transport)
    transport.flush(0.05)
    assert not transport.spool.is_empty()
    failure = read_last_failure(transport.spool)
    assert failure is not None
    assert failure.reason == "not sent within 0.05 s"


def test_flush_returns_early_if_the_server_is_unreachable(transport_to: TransportFactory) -> None:
    transport = transport_to(UNREACHABLE_DSN)
    capture(transport)
    transport.flush(DEADLINE_S)
    failure = read_last_failure(transport.spool)
    assert failure is not None
    assert failure.reason == "connection refused"


def test_killed_transport_removes_its_empty_directory(transport_to: TransportFactory, sink: Sink) -> None:
    transport = transport_to(sink.dsn)
    capture(transport)
    wait_until_sent(transport)
    transport.kill()
    wait_for(lambda: not transport.spool.directories(), "the end of the directory")


def test_invalid_envelope_is_reported_on_stderr(
    transport_to: TransportFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    transport_to(UNREACHABLE_DSN).capture_envelope(None)  # type: ignore[arg-type]
    assert "sentry: an event could not be written" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["plain", 2**70, None, ["é", 1.5]])
def test_event_is_sent_unchanged(transport_to: TransportFactory, sink: Sink, value: object) -> None:
    created = Envelope(headers={"event_id": "1"})
    created.add_event({"event_id": "1", "extra": {"value": value}})
    transport = transport_to(sink.dsn)
    transport.capture_envelope(created)
    wait_until_sent(transport)
    assert sink.events == [{"event_id": "1", "extra": {"value": value}}]


def test_spool_that_is_a_symbolic_link_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    Spool.for_dsn(tmp_path / "spool", UNREACHABLE_DSN).path.symlink_to(tmp_path)
    transport = SpoolTransport(UNREACHABLE_DSN, tmp_path / "spool")
    capture(transport)
    transport.kill()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["spool"]


def test_killed_transport_is_not_started_in_a_child(transport_to: TransportFactory) -> None:
    ended, used = transport_to(UNREACHABLE_DSN), transport_to(UNREACHABLE_DSN)
    before = [ended._worker, used._worker]
    ended.kill()
    _start_in_child()
    assert [ended._worker is before[0], used._worker is before[1]] == [True, False]
