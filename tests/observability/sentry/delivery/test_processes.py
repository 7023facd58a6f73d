"""Real processes that report failures, end, fork and are killed during an outage of the server."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from observability.sentry.delivery.spool import Spool
from tests.bugsink import Bugsink, Project
from tests.observability.sentry.delivery.spooling import UNREACHABLE_DSN, Writers, dsn_of, envelope_bytes
from tests.sentry_sink import Sink, sentry_sink
from tests.server import ROOT, free_port, own_environment, running, wait_for


def messages(sink: Sink) -> list[str]:
    return sorted(event["message"] for event in sink.events)


@pytest.mark.slow
def test_events_survive_an_outage_and_killed_processes(tmp_path: Path, writers: Writers) -> None:
    port = free_port()
    dsn = dsn_of(port)
    spool = Spool.for_dsn(tmp_path, dsn)
    with writers.running_writers(dsn, tmp_path, count=10, processes=4) as reporting:
        for each in reporting:
            each.wait()
            each.kill()
    assert len(spool.events()) == 40
    with sentry_sink(port) as sink:
        sink.max_events = 15
        with writers.running_writers(dsn, tmp_path) as (replayer,):
            # The replayer is killed while it sends the next event.
            wait_for(lambda: sink.attempts.count("") == 1, "the first of them")
            replayer.kill()
        assert len(spool.events()) == 25
        sink.max_events = None
        with writers.running_writers(dsn, tmp_path):
            wait_for(spool.is_empty, "an empty spool")
    assert len(sink.ids) == len(set(sink.ids)) == 40


def test_killed_process_loses_no_captured_event(tmp_path: Path, writers: Writers) -> None:
    spool = Spool.for_dsn(tmp_path, UNREACHABLE_DSN)
    with writers.running_writers(UNREACHABLE_DSN, tmp_path, mode="numbered", processes=3) as reporting:
        wait_for(lambda: len(spool.events()) > 20, "some events")
        returned = sum(each.kill().count("\n") for each in reporting)
    assert 0 <= len(spool.events()) - returned <= 3


def test_several_processes_send_each_event_once(tmp_path: Path, sink: Sink, writers: Writers) -> None:
    spool = Spool.for_dsn(tmp_path, sink.dsn)
    with writers.running_writers(sink.dsn, tmp_path, count=20, processes=4) as reporting:
        for each in reporting:
            each.wait()
        wait_for(spool.is_empty, "an empty spool")
    assert len(sink.ids) == len(set(sink.ids)) == 80


def test_running_processes_send_their_events_after_an_outage(tmp_path: Path, writers: Writers) -> None:
    port = free_port()
    spool = Spool.for_dsn(tmp_path, dsn_of(port))
    with writers.running_writers(dsn_of(port), tmp_path, count=10, processes=2) as reporting:
        for each in reporting:
            each.wait()
        with sentry_sink(port) as sink:
            wait_for(spool.is_empty, "an empty spool")
    assert len(sink.ids) == len(set(sink.ids)) == 20


def test_running_process_sends_the_events_of_a_killed_one(tmp_path: Path, writers: Writers) -> None:
    port = free_port()
    spool = Spool.for_dsn(tmp_path, dsn_of(port))
    with writers.running_writers(dsn_of(port), tmp_path, count=5, processes=2) as (killed, living):
        killed.wait()
        living.wait()
        killed.kill()
        with sentry_sink(port) as sink:
            wait_for(lambda: spool.is_empty() and len(spool.directories()) == 1, "the directory of the living alone")
    assert len(sink.ids) == len(set(sink.ids)) == 10


def test_short_process_sends_its_event_before_it_ends(tmp_path: Path, sink: Sink, writers: Writers) -> None:
    with writers.running_writers(sink.dsn, tmp_path, mode="exit", count=1) as (writer,):
        writer.end()
    assert len(sink.ids) == 1
    assert Spool.for_dsn(tmp_path, sink.dsn).directories() == []


def test_next_process_sends_events_of_a_process_that_ended_during_an_outage(tmp_path: Path, writers: Writers) -> None:
    port = free_port()
    with writers.running_writers(dsn_of(port), tmp_path, mode="exit", count=3) as (writer,):
        writer.end()
    assert len(Spool.for_dsn(tmp_path, dsn_of(port)).events()) == 3
    with sentry_sink(port) as sink, writers.running_writers(dsn_of(port), tmp_path):
        wait_for(lambda: len(sink.ids) == 3, "the events")


def test_forked_children_do_not_send_waiting_events_again(tmp_path: Path, writers: Writers) -> None:
    """The parent reports five events before and five after the fork; each of two children reports five."""
    port = free_port()
    spool = Spool.for_dsn(tmp_path, dsn_of(port))
    with writers.running_writers(dsn_of(port), tmp_path, mode="fork", count=5) as (parent,):
        parent.wait()
        with sentry_sink(port) as sink:
            wait_for(spool.is_empty, "an empty spool")
    assert len(sink.ids) == len(set(sink.ids)) == 20


def test_surviving_child_does_not_hold_the_lock_of_its_parent(tmp_path: Path, writers: Writers) -> None:
    port = free_port()
    spool = Spool.for_dsn(tmp_path, dsn_of(port))
    with writers.running_writers(dsn_of(port), tmp_path, mode="lone-child", count=5) as (parent,):
        parent.wait()
        # The child reads the same input, and ends when that is closed.
        parent.kill_process_only()
        with sentry_sink(port) as sink, writers.running_writers(dsn_of(port), tmp_path):
            wait_for(spool.is_empty, "an empty spool")
    assert len(sink.ids) == 5


@pytest.mark.slow
def test_surviving_child_sends_its_own_events(tmp_path: Path, sink: Sink, writers: Writers) -> None:
    spool = Spool.for_dsn(tmp_path, sink.dsn)
    with writers.running_writers(sink.dsn, tmp_path, mode="reporting-child", count=3) as (parent,):
        parent.wait()
        wait_for(spool.is_empty, "the events of the parent")
        parent.kill_process_only()
        wait_for(lambda: len(sink.ids) == 6, "the events of its child")
    assert len(set(sink.ids)) == 6


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["init-after-fork", "init-before-fork"])
def test_events_of_gunicorn_survive_an_outage(
    tmp_path: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", " ".join(("--workers=2", *options)))
    port = free_port()
    spool = Spool.for_dsn(tmp_path / "spool", dsn_of(port))
    with running("gunicorn", tmp_path, SENTRY_DSN=dsn_of(port), SENTRY_SPOOL_DIR=str(spool.root)) as server:
        ids = {server.get("/failing/").headers["X-Request-ID"] for _ in range(10)}
        wait_for(lambda: len(spool.events()) == 10, "10 files")
        with sentry_sink(port) as sink:
            wait_for(spool.is_empty, "an empty spool")
    assert {event["tags"]["request_id"] for event in sink.events} == ids
    assert len(sink.events) == 10


@pytest.mark.slow
def test_flush_command_fails_during_an_outage_and_sends_events_afterwards(
    tmp_path: Path, settings: Settings, writers: Writers
) -> None:
    port = free_port()
    root = tmp_path / "spool"
    settings.SENTRY_DSN, settings.SENTRY_SPOOL_DIR = dsn_of(port), str(root)
    with writers.running_writers(dsn_of(port), root, mode="exit", count=3) as (writer,):
        writer.end()
    command = [sys.executable, "manage.py", "sentry", "flush"]
    environment = own_environment(tmp_path, SENTRY_DSN=dsn_of(port), SENTRY_SPOOL_DIR=str(root))
    failed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "CommandError: 3 events still waiting: connection refused.\n"
    with sentry_sink(port) as sink:
        call_command("sentry", "flush")
    assert len(sink.ids) == 3


def test_incomplete_files_are_dropped_and_other_events_are_sent(tmp_path: Path, sink: Sink, writers: Writers) -> None:
    spool = Spool.for_dsn(tmp_path, sink.dsn)
    spool.create()
    dead = spool.path / "1-01234567"
    dead.mkdir()
    contents = [b"", b"\0" * 4096, envelope_bytes()[:20], b'{"event_id": "1"}\n', envelope_bytes("whole")]
    for number, content in enumerate(contents):
        (dead / f"{number + 1:019}-0-error.envelope").write_bytes(content)
    (dead / f".{9:019}-0-error.envelope").write_bytes(envelope_bytes("never whole"))
    with writers.running_writers(sink.dsn, tmp_path):
        wait_for(lambda: not dead.exists(), "the end of the directory")
    assert messages(sink) == ["whole"]


@pytest.mark.slow
def test_real_server_stores_each_event_of_an_outage_once(
    tmp_path: Path, bugsink: Project, stopped_bugsink: Bugsink, writers: Writers
) -> None:
    spool = Spool.for_dsn(tmp_path, bugsink.dsn)
    with writers.running_writers(bugsink.dsn, tmp_path, count=15, processes=4) as reporting:
        for each in reporting:
            each.wait()
            each.kill()
    assert len(spool.events()) == 60
    stopped_bugsink.start()
    with writers.running_writers(bugsink.dsn, tmp_path) as (replayer,):
        wait_for(lambda: len(spool.events()) < 55, "the first of them")
        replayer.kill()
    with writers.running_writers(bugsink.dsn, tmp_path):
        wait_for(spool.is_empty, "an empty spool")
    stored = wait_for(lambda: events_if_at_least(bugsink, 60), "60 events")
    assert len({event["data"]["message"] for event in stored}) == len(stored) == 60


def events_if_at_least(bugsink: Project, count: int) -> list[dict[str, Any]]:
    """Return the stored events if there are at least `count`, otherwise an empty list."""
    stored = bugsink.events()
    return stored if len(stored) >= count else []
