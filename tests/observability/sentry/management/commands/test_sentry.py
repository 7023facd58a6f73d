"""`manage.py sentry`."""

import os
import threading
import time
from io import StringIO
from pathlib import Path

import pytest
import sentry_sdk
from django.core.management import CommandError, call_command
from pytest_django import Settings

from observability.sentry.delivery.own_directory import OwnDirectory
from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.trouble import Trouble, last_trouble, write_trouble
from observability.sentry.management.commands.sentry import moment
from tests.observability.sentry.conftest import Make
from tests.observability.sentry.delivery.spooling import AWAY, envelope_bytes
from tests.sentry_sink import Sink
from tests.server import wait_for


@pytest.fixture
def spool(tmp_path: Path, settings: Settings, listening: Sink) -> Spool:
    """The spool of the settings, for a server that listens."""
    settings.SENTRY_DSN, settings.SENTRY_SPOOL_DIR = listening.dsn, str(tmp_path)
    return Spool.of(tmp_path, listening.dsn)


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("sentry", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def fill(spool: Spool, count: int) -> OwnDirectory:
    """Events of a process that lives as long as what is returned."""
    directory = OwnDirectory.make(spool)
    for number in range(count):
        directory.write(envelope_bytes(f"failure {number}"), "error")
    return directory


def test_status_of_an_empty_spool(spool: Spool, listening: Sink) -> None:
    place = f"127.0.0.1:{listening.port}/1"
    assert run("status") == f"project  http://…@{place}\nspool    {spool.path}\nwaiting  nothing\n"
    assert not spool.path.exists()


def test_status_shows_what_waits_since_when_and_why(spool: Spool) -> None:
    fill(spool, 3)
    write_trouble(spool, Trouble("connection refused"))
    oldest = spool.waiting()[0]
    written_at = time.time() - 7300
    os.utime(spool.path / oldest.directory / oldest.name, (written_at, written_at))
    lines = dict(line.split(maxsplit=1) for line in run("status").splitlines())
    assert lines["waiting"].startswith("3 events, ")
    assert lines["oldest"].endswith("(2 hours ago)")
    assert lines["trouble"].startswith("connection refused; ")


def test_status_shows_until_when_the_server_asks_to_wait(spool: Spool) -> None:
    fill(spool, 1)
    write_trouble(spool, Trouble("429 Too Many Requests", 3600.0))
    (line,) = [line for line in run("status").splitlines() if line.startswith("trouble")]
    assert line.partition("asks to wait until ")[2] > line.partition("; ")[2]


def test_status_shows_other_projects_and_no_key(spool: Spool) -> None:
    fill(Spool.of(spool.root, "https://s3cret@sentry.example.com/7"), 1)
    output = run("status")
    assert "also     1 event, " in output
    assert "of https://sentry.example.com/7; sent under its DSN alone" in output
    assert "s3cret" not in output
    assert "key" not in output


def test_flush_sends_what_waits_of_processes_that_live_too(spool: Spool, listening: Sink) -> None:
    living, dead = fill(spool, 2), fill(spool, 3)
    write_trouble(spool, Trouble("connection refused"))
    dead.close()
    assert run("flush").startswith("5 events sent to http://…@127.0.0.1:")
    assert len(set(listening.ids)) == 5
    assert spool.is_empty()
    assert last_trouble(spool) is None
    living.close()


def test_flush_of_nothing_says_so(spool: Spool) -> None:
    assert run("flush").startswith("Nothing waits for http://…@127.0.0.1:")


def test_flush_that_leaves_events_fails_with_the_reason(spool: Spool, listening: Sink) -> None:
    fill(spool, 2)
    listening.status = 503
    with pytest.raises(CommandError, match="2 events still waiting: 503 Service Unavailable"):
        run("flush")
    trouble = last_trouble(spool)
    assert trouble is not None
    assert trouble.reason == "503 Service Unavailable"


def test_flush_prints_what_the_server_refused(spool: Spool, listening: Sink) -> None:
    fill(spool, 2)
    listening.status = 413
    assert "2 events dropped, which the server will never take: 413 " in run("flush")
    assert spool.is_empty()


def test_flush_ends_after_its_timeout(spool: Spool, listening: Sink) -> None:
    fill(spool, 2)
    listening.is_black_hole = True
    with pytest.raises(CommandError, match=r"2 events still waiting: no answer within 0\.2 s"):
        run("flush", "--timeout", "0.2")


@pytest.mark.parametrize("command", ["status", "flush"])
def test_without_a_dsn_or_a_spool_it_says_so(settings: Settings, command: str) -> None:
    with pytest.raises(CommandError, match="SENTRY_DSN is not set: failures are not reported"):
        run(command)
    settings.SENTRY_DSN = AWAY
    with pytest.raises(CommandError, match="SENTRY_SPOOL_DIR is empty: failures do not wait"):
        run(command)


@pytest.mark.usefixtures("spool")
def test_timeout_has_to_be_a_time() -> None:
    with pytest.raises(CommandError, match="--timeout is 0: seconds, more than 0"):
        run("flush", "--timeout", "0")


def test_spool_that_cannot_be_read_is_named(spool: Spool, tmp_path: Path) -> None:
    spool.path.symlink_to(tmp_path)
    with pytest.raises(CommandError, match=r"cannot be read: .*; run this as the user of the service"):
        run("status")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 seconds"), (1, "1 second"), (60, "1 minute"), (7_300, "2 hours"), (90_000, "1 day")],
)
def test_time_that_passed_is_shown_in_one_unit(monkeypatch: pytest.MonkeyPatch, seconds: int, expected: str) -> None:
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert moment(2_000_000_000.0 - seconds).endswith(f"({expected} ago)")


@pytest.mark.usefixtures("spool")
def test_thread_of_the_command_itself_sends_nothing(
    transport_to: Make, monkeypatch: pytest.MonkeyPatch, listening: Sink
) -> None:
    listening.status = 503
    transport = transport_to(listening.dsn)
    client = sentry_sdk.Client(dsn=listening.dsn, transport=transport, default_integrations=False)
    client.capture_event({"message": "failure"})
    monkeypatch.setattr(sentry_sdk, "get_client", lambda: client)
    run("status")
    wait_for(lambda: "sentry-spool" not in [each.name for each in threading.enumerate()], "the end of the thread")
