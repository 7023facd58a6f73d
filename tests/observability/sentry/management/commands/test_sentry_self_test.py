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
from tests.bugsink import Project
from tests.observability.sentry.delivery.spooling import AWAY
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


def test_event_arrives_and_its_id_is_printed(tmp_path: Path, listening: Sink) -> None:
    lines = lines_of(self_test(tmp_path, SENTRY_DSN=listening.dsn))
    assert lines["answer"].startswith("200 OK, after ")
    assert lines["look"] == f"at  http://127.0.0.1:{listening.port}/, the issue sentry_self_test"
    assert [lines["event"]] == listening.ids


def test_event_is_stored_at_the_address_that_is_printed(tmp_path: Path, bugsink: Project) -> None:
    lines = lines_of(self_test(tmp_path, SENTRY_DSN=bugsink.dsn))
    assert lines["look"] == f"at  {bugsink.server.origin}/, the issue sentry_self_test"
    wait_for(lambda: lines["event"] in {event["data"]["event_id"] for event in bugsink.events()}, "the event")


@pytest.mark.slow
def test_missing_handler_of_a_production_is_named(tmp_path: Path, listening: Sink) -> None:
    (tmp_path / "more.yaml").write_text(NO_HANDLER)
    completed = self_test(tmp_path, SENTRY_DSN=listening.dsn, LOGGING_OVERRIDES=str(tmp_path / "more.yaml"))
    assert (completed.returncode, listening.events) == (1, [])
    assert "LOGGING has no handler" in completed.stderr


def failure_of_self_test() -> str:
    """Return the message of a self-test that fails in this process."""
    with pytest.raises(CommandError) as raised:
        call_command("sentry", "test", stdout=StringIO())
    return str(raised.value)


@pytest.mark.usefixtures("events")
def test_key_that_bugsink_does_not_know_fails_with_its_answer(settings: Settings, bugsink: Project) -> None:
    settings.SENTRY_DSN = re.sub(r"//\w+@", f"//{'0' * 32}@", bugsink.dsn)
    assert failure_of_self_test() == "The event did not arrive: 403 Forbidden."


@pytest.mark.usefixtures("events")
def test_event_that_the_server_refuses_fails_with_its_answer(settings: Settings, listening: Sink) -> None:
    settings.SENTRY_DSN, listening.status = listening.dsn, 403
    assert failure_of_self_test() == "The event did not arrive: 403 Forbidden."
    assert listening.attempts == ["event"]


@pytest.mark.usefixtures("events")
def test_server_that_is_away_fails_with_its_reason(settings: Settings) -> None:
    settings.SENTRY_DSN = AWAY
    assert failure_of_self_test() == "The event did not arrive: connection refused."


def test_missing_handler_is_named(settings: Settings, listening: Sink) -> None:
    """The logging of the tests has no handler that reports."""
    settings.SENTRY_DSN = listening.dsn
    expected = "Nothing reported the error: LOGGING has no handler observability.sentry.reporting.SentryHandler for it."
    assert failure_of_self_test() == expected
    assert listening.attempts == []


def test_missing_dsn_is_named() -> None:
    assert failure_of_self_test().startswith("SENTRY_DSN is not set: events are lines of sentry.jsonl")


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("status", [200, 503])
def test_transport_of_the_process_is_the_same_after_a_self_test(
    settings: Settings, listening: Sink, status: int
) -> None:
    transport = sentry_sdk.get_client().transport
    settings.SENTRY_DSN, listening.status = listening.dsn, status
    with suppress(CommandError):
        call_command("sentry", "test", stdout=StringIO())
    assert listening.attempts == ["event"]
    assert sentry_sdk.get_client().transport is transport


@pytest.mark.usefixtures("events")
def test_request_to_the_server_is_not_part_of_the_work_that_is_reported(
    settings: Settings, listening: Sink, closed: list[Observation]
) -> None:
    settings.SENTRY_DSN = listening.dsn
    call_command("sentry", "test", stdout=StringIO())
    (work,) = [each for each in closed if each.name == "sentry test"]
    assert work.outgoing_count == 0
    assert listening.events[0]["tags"]["trace_id"] == work.trace_id
