"""The transport of the SDK with its worker, in one process: what it writes, flushes and leaves."""

import shutil
from pathlib import Path

import pytest
from sentry_sdk.envelope import Envelope

from observability.sentry.delivery.backoff import read_last_failure
from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.transport import SpoolTransport, _start_in_child
from tests.observability.disk_space import space_of
from tests.observability.sentry.conftest import Make
from tests.observability.sentry.delivery.spooling import (
    AWAY,
    capture,
    dropped_counts,
    wait_until_sent,
)
from tests.sentry_sink import Sink
from tests.server import DEADLINE_S, wait_for


def is_removed(directory: Path) -> bool:
    """Remove a directory into which the thread may write meanwhile; return whether it is gone."""
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


def test_event_leaves_the_spool_when_the_server_has_it(transport_to: Make, listening: Sink) -> None:
    transport = transport_to(listening.dsn)
    ids = capture(transport, 5)
    wait_until_sent(transport)
    assert listening.ids == ids


def test_event_is_on_disk_when_the_call_returns(transport_to: Make) -> None:
    transport = transport_to(AWAY)
    capture(transport)
    assert len(transport.spool.events()) == 1


def test_full_disk_loses_no_event_and_raises_nothing(
    transport_to: Make, listening: Sink, capsys: pytest.CaptureFixture[str]
) -> None:
    listening.status = 503
    transport = transport_to(listening.dsn)
    with space_of(0):
        ids = capture(transport, 3)
        wait_for(lambda: listening.attempts, "an attempt")
        listening.status = 200
        wait_for(lambda: len(listening.events) == 3, "the events")
    assert sorted(listening.ids) == sorted(ids)
    assert "cannot be written: File too large; up to 100 events wait in memory.\n" in capsys.readouterr().err


def test_events_in_memory_go_to_the_disk_when_it_has_space_again(transport_to: Make) -> None:
    transport = transport_to(AWAY)
    with space_of(0):
        capture(transport, 3)
    wait_for(lambda: len(transport.spool.events()) == 3, "files")


def test_events_that_exceed_memory_and_those_lost_with_the_process_are_counted(
    transport_to: Make, caplog: pytest.LogCaptureFixture
) -> None:
    transport = transport_to(AWAY)
    with space_of(0):
        capture(transport, 110)
        wait_for(
            lambda: dropped_counts(caplog.records)["too many in memory"] >= 9, "the lines of those that were dropped"
        )
        transport.kill()
        wait_for(lambda: dropped_counts(caplog.records).total() >= 110, "the line of the others")
    dropped = dropped_counts(caplog.records)
    # The thread may have one in its hand while another one comes.
    assert dropped.pop("too many in memory") in (9, 10)
    assert dropped.keys() == {"in memory only when the process ended"}
    assert dropped_counts(caplog.records).total() == 110


def test_events_in_memory_that_are_lost_with_the_process_are_counted(
    transport_to: Make, caplog: pytest.LogCaptureFixture
) -> None:
    transport = transport_to(AWAY)
    with space_of(0):
        capture(transport, 3)
        transport.flush(DEADLINE_S)
        transport.kill()
        wait_for(lambda: dropped_counts(caplog.records).total() >= 3, "the line")
    assert dropped_counts(caplog.records) == {"in memory only when the process ended": 3}


def test_spool_that_cannot_be_created_loses_no_event(tmp_path: Path, transport_to: Make, listening: Sink) -> None:
    (tmp_path / "spool").write_text("a file")
    ids = capture(transport_to(listening.dsn))
    wait_for(lambda: listening.events, "the event")
    assert listening.ids == ids


def test_removed_spool_is_created_again(transport_to: Make) -> None:
    transport = transport_to(AWAY)
    capture(transport)
    wait_for(lambda: is_removed(transport.spool.root), "the end of the spool")
    capture(transport)
    assert len(transport.spool.events()) == 1


def test_events_of_another_project_stay(transport_to: Make, listening: Sink) -> None:
    first = transport_to(AWAY)
    capture(first)
    first.kill()
    second = transport_to(listening.dsn)
    ids = capture(second)
    wait_until_sent(second)
    assert listening.ids == ids
    assert len(first.spool.events()) == 1


def test_another_key_of_the_project_finds_its_events(transport_to: Make, listening: Sink) -> None:
    listening.status = 503
    first = transport_to(listening.dsn)
    ids = capture(first)
    first.kill()
    listening.status = 200
    second = transport_to(listening.dsn.replace("key@", "new@"))
    wait_until_sent(second)
    assert listening.ids == ids


def test_flush_returns_when_the_server_has_the_events(transport_to: Make, listening: Sink) -> None:
    listening.delay_s = 0.05
    transport = transport_to(listening.dsn)
    ids = capture(transport, 3)
    transport.flush(20)
    assert listening.ids == ids


def test_flush_waits_no_longer_than_its_timeout(transport_to: Make, listening: Sink) -> None:
    listening.is_black_hole = True
    transport = transport_to(listening.dsn)
    capture(transport)
    transport.flush(0.05)
    assert not transport.spool.is_empty()
    failure = read_last_failure(transport.spool)
    assert failure is not None
    assert failure.reason == "not sent within 0.05 s"


def test_flush_that_finds_no_server_does_not_use_up_its_time(transport_to: Make) -> None:
    transport = transport_to(AWAY)
    capture(transport)
    transport.flush(DEADLINE_S)
    failure = read_last_failure(transport.spool)
    assert failure is not None
    assert failure.reason == "connection refused"


def test_killed_transport_leaves_no_empty_directory(transport_to: Make, listening: Sink) -> None:
    transport = transport_to(listening.dsn)
    capture(transport)
    wait_until_sent(transport)
    transport.kill()
    wait_for(lambda: not transport.spool.directories(), "the end of the directory")


def test_invalid_envelope_raises_nothing(transport_to: Make, capsys: pytest.CaptureFixture[str]) -> None:
    transport_to(AWAY).capture_envelope(None)  # type: ignore[arg-type]
    assert "sentry: an event could not be written" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["plain", 2**70, None, ["é", 1.5]])
def test_event_arrives_as_the_sdk_made_it(transport_to: Make, listening: Sink, value: object) -> None:
    made = Envelope(headers={"event_id": "1"})
    made.add_event({"event_id": "1", "extra": {"value": value}})
    transport = transport_to(listening.dsn)
    transport.capture_envelope(made)
    wait_until_sent(transport)
    assert listening.events == [{"event_id": "1", "extra": {"value": value}}]


def test_start_with_a_spool_of_another_user_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    Spool.for_dsn(tmp_path / "spool", AWAY).path.symlink_to(tmp_path)
    transport = SpoolTransport(AWAY, tmp_path / "spool")
    capture(transport)
    transport.kill()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["spool"]


def test_killed_transport_does_not_start_in_a_child(transport_to: Make) -> None:
    ended, used = transport_to(AWAY), transport_to(AWAY)
    before = [ended._worker, used._worker]
    ended.kill()
    _start_in_child()
    assert [ended._worker is before[0], used._worker is before[1]] == [True, False]
