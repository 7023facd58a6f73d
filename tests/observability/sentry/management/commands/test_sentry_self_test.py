"""`manage.py sentry test`, in a process with production settings and in the process of the tests."""

import re
import subprocess
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
import sentry_sdk
from django.core.management import CommandError, call_command
from pytest_django import Settings

from observability.core.observation import Observation
from observability.sentry.management.commands.sentry import NO_DSN
from tests.bugsink import Project
from tests.observability.sentry.delivery.spooling import UNREACHABLE_DSN
from tests.sentry_sink import Sink
from tests.server import ROOT, own_environment, wait_for

NO_HANDLER = "handlers: {sentry: null}\nroot: {handlers: [service]}\n"


def self_test(directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = own_environment(directory, **variables)
    command = [sys.executable, "manage.py", "sentry", "test"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def lines_of(completed: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert (completed.returncode, completed.stderr) == (0, "")
    return dict(line.split(maxsplit=1) for line in completed.stdout.splitlines())


def test_self_test_prints_the_id_of_the_event(tmp_path: Path, sink: Sink) -> None:
    lines = lines_of(self_test(tmp_path, SENTRY_DSN=sink.dsn))
    assert lines["answer"].startswith("200 OK, after ")
    assert lines["look"] == f"at  http://127.0.0.1:{sink.port}/, the issue sentry_self_test"
    assert [lines["event"]] == sink.ids


def test_self_test_prints_the_address_of_the_server(tmp_path: Path, bugsink: Project) -> None:
    lines = lines_of(self_test(tmp_path, SENTRY_DSN=bugsink.dsn))
    assert lines["look"] == f"at  {bugsink.server.origin}/, the issue sentry_self_test"
    wait_for(lambda: lines["event"] in {event["data"]["event_id"] for event in bugsink.events()}, "the event")


@pytest.mark.slow
def test_missing_handler_fails_in_production(tmp_path: Path, sink: Sink) -> None:
    (tmp_path / "more.yaml").write_text(NO_HANDLER)
    completed = self_test(tmp_path, SENTRY_DSN=sink.dsn, LOGGING_OVERRIDES=str(tmp_path / "more.yaml"))
    assert (completed.returncode, sink.events) == (1, [])
    assert "LOGGING has no handler" in completed.stderr


def failure_of_self_test() -> str:
    """Return the message of a self-test that fails in this process."""
    with pytest.raises(CommandError) as raised:
        call_command("sentry", "test", stdout=StringIO())
    return str(raised.value)


@pytest.mark.usefixtures("events")
def test_self_test_with_an_unknown_key_fails(settings: Settings, bugsink: Project) -> None:
    settings.SENTRY_DSN = re.sub(r"//\w+@", f"//{'0' * 32}@", bugsink.dsn)
    assert failure_of_self_test().startswith("The event did not arrive: 403 Forbidden.")


@pytest.mark.usefixtures("events")
def test_self_test_fails_with_the_error_of_the_server(settings: Settings, sink: Sink) -> None:
    settings.SENTRY_DSN, sink.status = sink.dsn, 403
    assert failure_of_self_test().startswith("The event did not arrive: 403 Forbidden.")
    assert sink.attempts == ["event"]


@pytest.mark.usefixtures("events")
def test_self_test_fails_with_the_reason_if_the_server_is_unreachable(settings: Settings) -> None:
    settings.SENTRY_DSN = UNREACHABLE_DSN
    assert failure_of_self_test().startswith("The event did not arrive: connection refused.")


def test_self_test_fails_without_a_handler(settings: Settings, sink: Sink) -> None:
    """The logging configuration of the tests has no SentryHandler."""
    settings.SENTRY_DSN = sink.dsn
    assert "LOGGING has no handler observability.sentry.reporting.SentryHandler" in failure_of_self_test()
    assert sink.attempts == []


def test_self_test_fails_without_a_dsn() -> None:
    assert failure_of_self_test() == NO_DSN


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("status", [200, 503])
def test_self_test_restores_the_transport(settings: Settings, sink: Sink, status: int) -> None:
    transport = sentry_sdk.get_client().transport
    settings.SENTRY_DSN, sink.status = sink.dsn, status
    with suppress(CommandError):
        call_command("sentry", "test", stdout=StringIO())
    assert sink.attempts == ["event"]
    assert sentry_sdk.get_client().transport is transport


@pytest.mark.usefixtures("events")
def test_request_of_the_self_test_is_not_recorded(settings: Settings, sink: Sink, closed: list[Observation]) -> None:
    settings.SENTRY_DSN = sink.dsn
    call_command("sentry", "test", stdout=StringIO())
    (work,) = [each for each in closed if each.name == "sentry test"]
    assert work.outgoing_count == 0
    assert sink.events[0]["tags"]["trace_id"] == work.trace_id
