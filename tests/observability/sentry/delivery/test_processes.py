"""Real processes that report failures, end, fork and are killed, against a server that is away and comes back."""

import subprocess
import sys
from pathlib import Path

import pytest

from observability.sentry.delivery.spool import Spool
from tests.bugsink import Bugsink
from tests.observability.sentry.delivery.spooling import AWAY, letter, writing
from tests.sentry_sink import Sink, sentry_sink
from tests.server import ROOT, free_port, manage, production_environment, running, wait_for


def address(port: int) -> str:
    return f"http://key@127.0.0.1:{port}/1"


def messages(sink: Sink) -> list[str]:
    return sorted(event["message"] for event in sink.events)


def test_200_failures_survive_an_outage_and_the_kill_of_their_processes_and_of_their_replayer(tmp_path: Path) -> None:
    port = free_port()
    spool = Spool.of(tmp_path, address(port))
    with writing(address(port), tmp_path, count=50, processes=4) as writers:
        for each in writers:
            each.wait()
            each.kill()
    assert len(spool.waiting()) == 200
    with sentry_sink(port) as sink:
        sink.delay_s = 0.01
        with writing(address(port), tmp_path) as (replayer,):
            wait_for(lambda: len(sink.events) > 20, "the first of them")
            replayer.kill()
        assert not spool.is_empty()
        sink.delay_s = 0
        with writing(address(port), tmp_path):
            wait_for(spool.is_empty, "an empty spool")
    assert len(set(sink.ids)) == 200
    # The one that was on its way when the replayer was killed.
    assert len(sink.ids) <= 201


def test_kill_loses_no_event_whose_call_returned(tmp_path: Path) -> None:
    spool = Spool.of(tmp_path, AWAY)
    with writing(AWAY, tmp_path, mode="numbered", processes=3) as writers:
        wait_for(lambda: len(spool.waiting()) > 60, "some events")
        returned = sum(each.kill().count("\n") for each in writers)
    assert 0 <= len(spool.waiting()) - returned <= 3


def test_several_processes_send_each_event_once(tmp_path: Path, listening: Sink) -> None:
    spool = Spool.of(tmp_path, listening.dsn)
    with writing(listening.dsn, tmp_path, count=30, processes=4) as writers:
        for each in writers:
            each.wait()
        wait_for(spool.is_empty, "an empty spool")
    assert len(listening.ids) == len(set(listening.ids)) == 120


def test_processes_that_live_through_an_outage_send_when_it_is_over(tmp_path: Path) -> None:
    port = free_port()
    spool = Spool.of(tmp_path, address(port))
    with writing(address(port), tmp_path, count=10, processes=2) as writers:
        for each in writers:
            each.wait()
        with sentry_sink(port) as sink:
            wait_for(spool.is_empty, "an empty spool")
    assert len(sink.ids) == len(set(sink.ids)) == 20


def test_living_process_sends_what_a_killed_one_left(tmp_path: Path) -> None:
    port = free_port()
    spool = Spool.of(tmp_path, address(port))
    with writing(address(port), tmp_path, count=5, processes=2) as (killed, living):
        killed.wait()
        living.wait()
        killed.kill()
        with sentry_sink(port) as sink:
            wait_for(lambda: spool.is_empty() and len(spool.directories()) == 1, "the directory of the living alone")
    assert len(sink.ids) == len(set(sink.ids)) == 10


def test_process_that_ends_at_once_has_sent_its_event(tmp_path: Path, listening: Sink) -> None:
    with writing(listening.dsn, tmp_path, mode="exit", count=1) as (writer,):
        writer.end()
    assert len(listening.ids) == 1
    assert Spool.of(tmp_path, listening.dsn).directories() == []


def test_process_that_ends_during_an_outage_leaves_its_event_to_the_next(tmp_path: Path) -> None:
    port = free_port()
    with writing(address(port), tmp_path, mode="exit", count=3) as (writer,):
        writer.end()
    assert len(Spool.of(tmp_path, address(port)).waiting()) == 3
    with sentry_sink(port) as sink, writing(address(port), tmp_path):
        wait_for(lambda: len(sink.ids) == 3, "the events")


def test_process_that_forks_with_events_waiting_sends_none_twice(tmp_path: Path) -> None:
    """Five in the parent before and five after, and in each of two children."""
    port = free_port()
    spool = Spool.of(tmp_path, address(port))
    with writing(address(port), tmp_path, mode="fork", count=5) as (parent,):
        parent.wait()
        with sentry_sink(port) as sink:
            wait_for(spool.is_empty, "an empty spool")
    assert len(sink.ids) == len(set(sink.ids)) == 20


def test_child_that_outlives_its_parent_holds_no_lock_of_it(tmp_path: Path) -> None:
    port = free_port()
    spool = Spool.of(tmp_path, address(port))
    with writing(address(port), tmp_path, mode="lone-child", count=5) as (parent,):
        parent.wait()
        # Its child reads the same input, and lives until that is closed.
        parent.process.kill()
        parent.process.wait()
        with sentry_sink(port) as sink, writing(address(port), tmp_path):
            wait_for(spool.is_empty, "an empty spool")
    assert len(sink.ids) == 5


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["init-after-fork", "init-before-fork"])
def test_failures_of_gunicorn_survive_an_outage(
    tmp_path: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", " ".join(("--workers=2", *options)))
    port = free_port()
    spool = Spool.of(tmp_path / "spool", address(port))
    with running("gunicorn", tmp_path, SENTRY_DSN=address(port), SENTRY_SPOOL_DIR=str(spool.root)) as server:
        ids = {server.get("/failing/").headers["X-Request-ID"] for _ in range(10)}
        wait_for(lambda: len(spool.waiting()) == 10, "10 files")
        with sentry_sink(port) as sink:
            wait_for(spool.is_empty, "an empty spool")
    assert {event["tags"]["request_id"] for event in sink.events} == ids
    assert len(sink.events) == 10


def test_flush_command_sends_what_a_process_left_and_tells_of_it(tmp_path: Path) -> None:
    port = free_port()
    environment = production_environment(
        tmp_path, SENTRY_DSN=address(port), SENTRY_SPOOL_DIR=str(tmp_path / "spool"), LOGGING_LAYERS="test"
    )
    with writing(address(port), tmp_path / "spool", mode="exit", count=3) as (writer,):
        writer.end()
    command = [sys.executable, "manage.py", "sentry", "flush"]
    failed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "CommandError: 3 events still waiting: connection refused.\n"
    with sentry_sink(port) as sink:
        manage(environment, "sentry", "flush")
    assert len(sink.ids) == 3


def test_file_that_a_power_cut_left_is_dropped_and_the_others_are_sent(tmp_path: Path, listening: Sink) -> None:
    spool = Spool.of(tmp_path, listening.dsn)
    spool.make()
    dead = spool.path / "1-01234567"
    dead.mkdir()
    for number, content in enumerate([b"", b"\0" * 4096, letter()[:20], b'{"event_id": "1"}\n', letter("whole")]):
        (dead / f"{number + 1:019}-0-error.envelope").write_bytes(content)
    (dead / f".{9:019}-0-error.envelope").write_bytes(letter("never whole"))
    with writing(listening.dsn, tmp_path):
        wait_for(lambda: not dead.exists(), "the end of the directory")
    assert messages(listening) == ["whole"]


def test_200_failures_during_an_outage_of_a_real_server_are_there_in_the_end(tmp_path: Path, bugsink: Bugsink) -> None:
    spool = Spool.of(tmp_path, bugsink.dsn)
    bugsink.stop()
    try:
        with writing(bugsink.dsn, tmp_path, count=50, processes=4) as writers:
            for each in writers:
                each.wait()
                each.kill()
            pids = {str(each.process.pid) for each in writers}
        assert len(spool.waiting()) == 200
    finally:
        bugsink.start()
    with writing(bugsink.dsn, tmp_path) as (replayer,):
        wait_for(lambda: len(spool.waiting()) < 190, "the first of them")
        replayer.kill()
    assert not spool.is_empty()
    with writing(bugsink.dsn, tmp_path):
        wait_for(spool.is_empty, "an empty spool")
    wait_for(lambda: len(messages_of(bugsink, pids)) >= 200, "200 events")
    assert len(messages_of(bugsink, pids)) == len(set(messages_of(bugsink, pids))) == 200


def messages_of(bugsink: Bugsink, pids: set[str]) -> list[str]:
    """What these processes reported, as it is stored."""
    stored = [event["data"].get("message", "") for event in bugsink.events()]
    return [message for message in stored if message.startswith("failure ") and message.rpartition(" ")[2] in pids]
