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

from observability.sentry.delivery.backoff import DeliveryFailure, read_last_failure, write_last_failure
from observability.sentry.delivery.spool import Spool, project_url
from observability.sentry.delivery.spool_writer import ProcessDirectory
from observability.sentry.management.commands.sentry import format_moment, masked_project_url
from tests.observability.sentry.conftest import TransportFactory
from tests.observability.sentry.delivery.spooling import UNREACHABLE_DSN, envelope_bytes
from tests.sentry_sink import Sink
from tests.server import wait_for


@pytest.fixture
def spool(tmp_path: Path, settings: Settings, sink: Sink) -> Spool:
    """The spool of the settings, for a server that accepts events."""
    settings.SENTRY_DSN, settings.SENTRY_SPOOL_DIR = sink.dsn, str(tmp_path)
    return Spool.for_dsn(tmp_path, sink.dsn)


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("sentry", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def fill(spool: Spool, count: int) -> ProcessDirectory:
    """Write events as a process that runs until the returned directory is closed."""
    directory = ProcessDirectory.create(spool)
    for number in range(count):
        directory.write(envelope_bytes(f"failure {number}"), "error")
    return directory


def test_status_of_an_empty_spool(spool: Spool, sink: Sink) -> None:
    place = f"127.0.0.1:{sink.port}/1"
    assert run("status") == f"project  http://…@{place}\nspool    {spool.path}\nwaiting  no events\n"
    assert not spool.path.exists()


def test_status_shows_the_waiting_events_since_when_and_why(spool: Spool) -> None:
    fill(spool, 3)
    write_last_failure(spool, DeliveryFailure("connection refused"))
    oldest = spool.events()[0]
    written_at = time.time() - 7300
    os.utime(spool.path / oldest.directory / oldest.name, (written_at, written_at))
    lines = dict(line.split(maxsplit=1) for line in run("status").splitlines())
    assert lines["waiting"].startswith("3 events, ")
    assert lines["oldest"].endswith("(2 hours ago)")
    assert lines["error"].startswith("connection refused; ")


def test_status_shows_the_end_of_the_rate_limit(spool: Spool) -> None:
    fill(spool, 1)
    write_last_failure(spool, DeliveryFailure("429 Too Many Requests", 3600.0))
    (line,) = [line for line in run("status").splitlines() if line.startswith("error")]
    assert line.partition("rate limit until ")[2] > line.partition("; ")[2]


def test_status_shows_other_projects_without_keys(spool: Spool) -> None:
    fill(Spool.for_dsn(spool.root, "https://s3cret@sentry.example.com/7"), 1)
    output = run("status")
    assert "also     1 event, " in output
    assert "for https://sentry.example.com/7" in output
    assert "s3cret" not in output
    assert "key@" not in output


def test_flush_sends_events_of_running_and_dead_processes(spool: Spool, sink: Sink) -> None:
    running, dead = fill(spool, 2), fill(spool, 3)
    write_last_failure(spool, DeliveryFailure("connection refused"))
    dead.close()
    assert run("flush").startswith("5 events sent to http://…@127.0.0.1:")
    assert len(set(sink.ids)) == 5
    assert spool.is_empty()
    assert read_last_failure(spool) is None
    running.close()


def test_flush_of_an_empty_spool(spool: Spool) -> None:
    assert run("flush").startswith("No events are waiting for http://…@127.0.0.1:")


def test_flush_fails_with_the_reason_if_events_remain(spool: Spool, sink: Sink) -> None:
    fill(spool, 2)
    sink.status = 503
    with pytest.raises(CommandError, match="2 events still waiting: 503 Service Unavailable"):
        run("flush")
    failure = read_last_failure(spool)
    assert failure is not None
    assert failure.reason == "503 Service Unavailable"


def test_flush_prints_rejected_events(spool: Spool, sink: Sink) -> None:
    fill(spool, 2)
    sink.status = 413
    assert "2 events rejected by the server and dropped: 413 " in run("flush")
    assert spool.is_empty()


def test_flush_stops_after_its_timeout(spool: Spool, sink: Sink) -> None:
    fill(spool, 2)
    sink.is_black_hole = True
    with pytest.raises(CommandError, match=r"2 events still waiting: no answer within 0\.2 s"):
        run("flush", "--timeout", "0.2")


def test_missing_setting_is_a_state_of_status_and_an_error_of_flush(settings: Settings) -> None:
    for name in ("SENTRY_DSN", "SENTRY_SPOOL_DIR"):
        state = run("status")
        assert state.startswith(f"{name} is not set")
        with pytest.raises(CommandError) as failure:
            run("flush")
        assert state == f"{failure.value}\n"
        settings.SENTRY_DSN = UNREACHABLE_DSN


@pytest.mark.usefixtures("spool")
@pytest.mark.parametrize("timeout", ["0", "nan", "inf", "soon"])
def test_timeout_must_be_a_number_above_zero(timeout: str) -> None:
    message = f"--timeout: '{timeout}' is not a timeout. Allowed: a number of seconds above 0"
    with pytest.raises(CommandError, match=message):
        run("flush", "--timeout", timeout)


def test_unreadable_spool_is_an_error(spool: Spool, tmp_path: Path) -> None:
    spool.path.symlink_to(tmp_path)
    with pytest.raises(CommandError, match=r"cannot be read: .* Run this command as the user of the service"):
        run("status")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 seconds"), (1, "1 second"), (60, "1 minute"), (7_300, "2 hours"), (90_000, "1 day")],
)
def test_elapsed_time_has_one_unit(monkeypatch: pytest.MonkeyPatch, seconds: int, expected: str) -> None:
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert format_moment(2_000_000_000.0 - seconds).endswith(f"({expected} ago)")


@pytest.mark.usefixtures("spool")
def test_worker_of_the_command_is_stopped(
    transport_to: TransportFactory, monkeypatch: pytest.MonkeyPatch, sink: Sink
) -> None:
    sink.status = 503
    transport = transport_to(sink.dsn)
    client = sentry_sdk.Client(dsn=sink.dsn, transport=transport, default_integrations=False)
    client.capture_event({"message": "failure"})
    monkeypatch.setattr(sentry_sdk, "get_client", lambda: client)
    run("status")
    wait_for(lambda: "sentry-spool" not in [each.name for each in threading.enumerate()], "the end of the thread")


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("https://s3cret@sentry.example.com/1", "https://…@sentry.example.com/1"),
        ("http://s3cret:s3cret@127.0.0.1:9000/below/7", "http://…@127.0.0.1:9000/below/7"),
    ],
)
def test_key_of_a_dsn_is_masked(dsn: str, shown: str) -> None:
    assert masked_project_url(dsn) == shown
    assert project_url(dsn) == shown.replace("…@", "")
