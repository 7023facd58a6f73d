"""The transport against a server that is down, slow, silent, broken or busy, in one process."""

import logging
import shutil
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from sentry_sdk.envelope import Envelope

from observability.sentry.delivery.bounds import Bounds, total_bytes
from observability.sentry.delivery.own_directory import OwnDirectory
from observability.sentry.delivery.patience import Patience
from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.transport import SpoolTransport, _begin_in_child
from observability.sentry.delivery.trouble import last_trouble
from tests.observability.disk_space import space_of
from tests.observability.sentry.conftest import Make
from tests.observability.sentry.delivery.spooling import AWAY, QUICK, envelope, envelope_bytes
from tests.sentry_sink import Sink, sentry_sink
from tests.server import DEADLINE_S, free_port, wait_for


def capture(transport: SpoolTransport, count: int = 1, *, kind: str = "event") -> list[str]:
    """Report `count` failures, and return their ids."""
    made = [envelope(f"failure {number}", kind=kind) for number in range(count)]
    for each in made:
        transport.capture_envelope(each)
    return [each.headers["event_id"] for each in made]


def is_removed(directory: Path) -> bool:
    """Remove a directory into which the thread may write meanwhile; return whether it is gone."""
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


def wait_until_sent(transport: SpoolTransport) -> None:
    wait_for(transport.spool.is_empty, "an empty spool")


def wait_for_trouble(transport: SpoolTransport, reason: str) -> None:
    def is_written() -> bool:
        trouble = last_trouble(transport.spool)
        return trouble is not None and reason in trouble.reason

    wait_for(is_written, f"the reason {reason!r}")


def dropped_counts(caplog: pytest.LogCaptureFixture) -> Counter[str]:
    """The numbers of events that were dropped, by reason, as the lines say."""
    counts: Counter[str] = Counter()
    for record in caplog.records:
        if record.getMessage() == "sentry_events_dropped":
            facts = record.__dict__["facts"]
            counts[facts["reason"]] += facts["dropped_count"]
    return counts


def test_event_leaves_the_spool_when_the_server_has_it(transport_to: Make, listening: Sink) -> None:
    transport = transport_to(listening.dsn)
    ids = capture(transport, 5)
    wait_until_sent(transport)
    assert listening.ids == ids


def test_event_is_on_disk_when_the_call_returns(transport_to: Make) -> None:
    transport = transport_to(AWAY)
    capture(transport)
    assert len(transport.spool.waiting()) == 1


def test_events_of_an_outage_are_sent_when_the_server_is_back_in_their_order(transport_to: Make) -> None:
    port = free_port()
    transport = transport_to(f"http://key@127.0.0.1:{port}/1")
    ids = capture(transport, 30)
    wait_for_trouble(transport, "connection refused")
    with sentry_sink(port) as sink:
        wait_until_sent(transport)
    assert sink.ids == ids
    assert last_trouble(transport.spool) is None


def test_outage_is_logged_once_and_its_end_too(transport_to: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "observability.sentry")
    port = free_port()
    transport = transport_to(f"http://key@127.0.0.1:{port}/1")
    capture(transport)
    wait_for_trouble(transport, "connection refused")
    with sentry_sink(port):
        wait_for(lambda: "sentry_reached" in [record.getMessage() for record in caplog.records], "the end")
    logged = [(record.getMessage(), record.levelname) for record in caplog.records]
    assert logged == [("sentry_unreachable", "WARNING"), ("sentry_reached", "INFO")]


@pytest.mark.parametrize("status", [500, 502, 503, 408, 301])
def test_event_that_the_server_could_not_take_is_sent_again(transport_to: Make, listening: Sink, status: int) -> None:
    listening.status = status
    transport = transport_to(listening.dsn)
    ids = capture(transport)
    wait_for(lambda: len(listening.attempts) >= 2, "a second attempt")
    listening.status = 200
    wait_until_sent(transport)
    assert listening.ids == ids


@pytest.mark.parametrize("status", [400, 413, 422])
def test_event_that_the_server_refuses_is_dropped_with_a_line_that_says_the_status(
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


def test_server_that_never_answers_is_given_up_and_asked_again(transport_to: Make, listening: Sink) -> None:
    listening.is_black_hole = True
    transport = transport_to(listening.dsn, read_timeout_s=0.3)
    ids = capture(transport)
    wait_for_trouble(transport, "no answer within 0.3 s")
    listening.is_black_hole = False
    wait_until_sent(transport)
    assert listening.ids == ids


def test_server_that_asks_for_a_pause_has_it(transport_to: Make, listening: Sink) -> None:
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


def test_429_that_names_no_time_is_a_pause_of_a_minute(transport_to: Make, listening: Sink) -> None:
    listening.status = 429
    transport = transport_to(listening.dsn)
    capture(transport, 3)
    wait_for_trouble(transport, "429 Too Many Requests")
    trouble = last_trouble(transport.spool)
    assert trouble is not None
    assert 50 < (trouble.wait_s or 0) <= 60
    assert len(listening.attempts) == 1


def test_limit_of_transactions_holds_up_no_errors(transport_to: Make, listening: Sink) -> None:
    listening.limited, listening.headers = {"transaction"}, {"X-Sentry-Rate-Limits": "3600:transaction:organization"}
    transport = transport_to(listening.dsn)
    capture(transport, 2, kind="transaction")
    wait_for_trouble(transport, "429")
    ids = capture(transport, 2)
    wait_for(lambda: len(listening.events) == 2, "the errors")
    assert listening.ids == ids
    # The server has an event a moment before its file goes.
    waiting = transport.spool.waiting
    wait_for(lambda: [each.category for each in waiting()] == ["transaction"] * 2, "the transactions alone")


def test_disk_that_is_full_costs_no_event_and_no_exception(
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
    wait_for(lambda: len(transport.spool.waiting()) == 3, "files")


def test_more_events_than_memory_holds_and_those_that_a_process_ends_with_are_counted(
    transport_to: Make, caplog: pytest.LogCaptureFixture
) -> None:
    transport = transport_to(AWAY)
    with space_of(0):
        capture(transport, 110)
        wait_for(lambda: dropped_counts(caplog)["too many in memory"] >= 9, "the lines of those that were dropped")
        transport.kill()
        wait_for(lambda: dropped_counts(caplog).total() >= 110, "the line of the others")
    dropped = dropped_counts(caplog)
    # The thread may have one in its hand while another one comes.
    assert dropped.pop("too many in memory") in (9, 10)
    assert dropped.keys() == {"in memory alone when the process ended"}
    assert dropped_counts(caplog).total() == 110


def test_events_in_memory_that_a_process_ends_with_are_counted_in_a_line(
    transport_to: Make, caplog: pytest.LogCaptureFixture
) -> None:
    transport = transport_to(AWAY)
    with space_of(0):
        capture(transport, 3)
        transport.flush(DEADLINE_S)
        transport.kill()
        wait_for(lambda: dropped_counts(caplog).total() >= 3, "the line")
    assert dropped_counts(caplog) == {"in memory alone when the process ended": 3}


def test_spool_stays_in_its_bounds_while_the_server_is_away(transport_to: Make) -> None:
    transport = transport_to(AWAY, bounds=Bounds(max_bytes=2_000))
    capture(transport, 50)
    newest = transport.spool.waiting()[-1]
    wait_for(lambda: total_bytes(transport.spool.waiting()) <= 2_000, "a smaller spool")
    assert transport.spool.waiting()[-1] == newest


def test_spool_that_cannot_be_made_costs_no_event(tmp_path: Path, transport_to: Make, listening: Sink) -> None:
    (tmp_path / "spool").write_text("a file")
    ids = capture(transport_to(listening.dsn))
    wait_for(lambda: listening.events, "the event")
    assert listening.ids == ids


def test_spool_that_is_removed_is_made_again(transport_to: Make) -> None:
    transport = transport_to(AWAY)
    capture(transport)
    wait_for(lambda: is_removed(transport.spool.root), "the end of the spool")
    capture(transport)
    assert len(transport.spool.waiting()) == 1


def test_what_waits_for_another_project_stays(transport_to: Make, listening: Sink) -> None:
    first = transport_to(AWAY)
    capture(first)
    first.kill()
    second = transport_to(listening.dsn)
    ids = capture(second)
    wait_until_sent(second)
    assert listening.ids == ids
    assert len(first.spool.waiting()) == 1


def test_another_key_of_the_project_finds_what_waits(transport_to: Make, listening: Sink) -> None:
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
    trouble = last_trouble(transport.spool)
    assert trouble is not None
    assert trouble.reason == "0.05 s were not enough"


def test_flush_that_finds_no_server_does_not_use_up_its_time(transport_to: Make) -> None:
    transport = transport_to(AWAY)
    capture(transport)
    transport.flush(DEADLINE_S)
    trouble = last_trouble(transport.spool)
    assert trouble is not None
    assert trouble.reason == "connection refused"


def test_transport_that_ends_leaves_no_directory_behind(transport_to: Make, listening: Sink) -> None:
    transport = transport_to(listening.dsn)
    capture(transport)
    wait_until_sent(transport)
    transport.kill()
    wait_for(lambda: not transport.spool.directories(), "the end of the directory")


def test_envelope_that_is_none_raises_nothing(transport_to: Make, capsys: pytest.CaptureFixture[str]) -> None:
    transport_to(AWAY).capture_envelope(None)  # type: ignore[arg-type]
    assert "sentry: an event could not be kept" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["plain", 2**70, None, ["é", 1.5]])
def test_event_arrives_as_the_sdk_made_it(transport_to: Make, listening: Sink, value: object) -> None:
    made = Envelope(headers={"event_id": "1"})
    made.add_event({"event_id": "1", "extra": {"value": value}})
    transport = transport_to(listening.dsn)
    transport.capture_envelope(made)
    wait_until_sent(transport)
    assert listening.events == [{"event_id": "1", "extra": {"value": value}}]


def test_start_with_a_spool_of_somebody_else_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    Spool.of(tmp_path / "spool", AWAY).path.symlink_to(tmp_path)
    transport = SpoolTransport(AWAY, tmp_path / "spool")
    capture(transport)
    transport.kill()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["spool"]


def leave(spool: Spool) -> None:
    """Leave an event, as a process that died."""
    directory = OwnDirectory.make(spool)
    directory.write(envelope_bytes("left"), "error")
    directory.close()


def test_event_of_a_dead_process_is_sent_again_without_waiting_for_the_next_look(
    tmp_path: Path, transport_to: Make, listening: Sink
) -> None:
    leave(Spool.of(tmp_path / "spool", listening.dsn))
    listening.status = 503
    transport = transport_to(listening.dsn, patience=replace(QUICK, look_s=1_000.0))
    wait_for_trouble(transport, "503")
    listening.status = 200
    wait_until_sent(transport)
    assert [event["message"] for event in listening.events] == ["left"]


def test_limit_of_own_events_holds_up_no_others_of_dead_processes(transport_to: Make, listening: Sink) -> None:
    listening.limited, listening.headers = {"transaction"}, {"X-Sentry-Rate-Limits": "3600:transaction:organization"}
    transport = transport_to(listening.dsn)
    capture(transport, kind="transaction")
    wait_for_trouble(transport, "429")
    leave(transport.spool)
    wait_for(lambda: listening.events, "the event of the dead process")
    assert [each.category for each in transport.spool.waiting()][:1] == ["transaction"]


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
    with transport.spool.adopted(name) as is_dead:
        assert is_dead
    assert len(transport.spool.waiting()) == 1


class NumberedPatience(Patience):
    """Keeps for how many failures in a row a pause was."""

    numbers: ClassVar[list[int]] = []

    def pause_s(self, failures: int) -> float:
        self.numbers.append(failures)
        return 0.02


def test_pauses_begin_again_after_a_success(
    transport_to: Make, listening: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[int] = []
    monkeypatch.setattr(NumberedPatience, "numbers", numbers)
    listening.status = 503
    transport = transport_to(listening.dsn, patience=NumberedPatience(gather_s=0.0, start_pause_s=0.0))
    capture(transport)
    wait_for(lambda: len(numbers) >= 2, "two failures")
    listening.status = 200
    wait_until_sent(transport)
    failures = len(numbers)
    listening.status = 503
    capture(transport)
    wait_for(lambda: len(numbers) >= failures + 2, "two failures more")
    assert numbers[: failures + 2] == [*range(1, failures + 1), 1, 2]


def test_transport_that_ended_does_not_begin_again_in_a_child(transport_to: Make) -> None:
    ended, used = transport_to(AWAY), transport_to(AWAY)
    before = [ended._delivery, used._delivery]
    ended.kill()
    _begin_in_child()
    assert [ended._delivery is before[0], used._delivery is before[1]] == [True, False]
