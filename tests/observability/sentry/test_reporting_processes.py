"""Failures of all kinds in real processes: each is reported as one complete event.

The events are sent to a sink, and to Bugsink, a real server that implements Sentry's protocol.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.bugsink import Project
from tests.observability.sentry.failing import (
    SECRET,
    failing_views_of,
    send_request,
    send_request_with_secrets,
    views_of,
)
from tests.probe.failures import NO_FAILURES
from tests.sentry_sink import Sink
from tests.server import ROOT, Server, Servers, own_environment, wait_for

# The state of the transaction in the event, by view. Other views do not use a transaction.
TRANSACTION_STATES = {
    "raised-by-view": "rolled_back",
    "raised-by-api": "rolled_back",
    "raised-in-block": "rolled_back",
    "logged-then-raised-from": "open",
    "logged-then-raised-again": "open",
    "logged-and-swallowed": "open",
    "logged-then-captured": "open",
    "captured-then-logged": "open",
    "logged-then-answered": "open",
}
# Views that fail without a query, or after the response started.
WITHOUT_QUERIES = ("raised-by-async", "raised-by-async-body", "logged", "answered", "answered-by-exception")
# Servers, each with the sink and with Bugsink.
TARGETS: dict[str, list[pytest.MarkDecorator]] = {
    "gunicorn": [pytest.mark.database],
    "uvicorn": [],
    "gunicorn-bugsink": [pytest.mark.external("bugsink")],
    "uvicorn-bugsink": [pytest.mark.external("bugsink")],
}
# A command that raises CommandError, and a span that fails, in a process without a server.
SCRIPT = """
from contextlib import suppress
import django; django.setup()
from django.core.management import CommandError, call_command
from observability import observe
with suppress(CommandError):
    call_command("loglevel", "nothing.of.this.name", "LOUD")
with observe("nightly_import", rows=3):
    1 / 0
"""


@dataclass(frozen=True)
class ServerReport:
    """The ids of the requests that were sent to a server, by view, and all events that it reported."""

    server: Server
    request_ids: dict[str, str]
    events: list[dict[str, Any]]

    def events_of(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if dict(event["tags"])["request_id"] == self.request_ids[name]]


Report = Callable[[str], ServerReport]


def events_of_destination(destination: Sink | Project) -> list[dict[str, Any]]:
    return [each["data"] for each in destination.events()] if isinstance(destination, Project) else destination.events


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest, servers: Servers, shared_sink: Sink) -> Report:
    """Return a function that returns the report of one of TARGETS. The requests are sent once for all tests."""

    @cache
    def report(target: str) -> ServerReport:
        name, _, is_stored = target.partition("-")
        destination: Sink | Project = request.getfixturevalue("bugsink") if is_stored else shared_sink
        server = servers.get(name, SENTRY_DSN=destination.dsn, SENTRY_LOCALS="true", RELEASE="r1")
        ids = {each: send_request(server, f"/failures/{each}/") for each in views_of(name)}
        ids["middleware"] = send_request(server, "/ordinary/1/", X_Fail="1")
        ids["secrets"] = send_request_with_secrets(server)
        # If a failure was reported twice, both events arrive before the event of this later failure.
        last_id = send_request(server, "/failures/logged/")
        wait_for(lambda: destination.events_of(last_id), "the last event")
        return ServerReport(server, ids, list(events_of_destination(destination)))

    return report


def parametrize_targets(names: Callable[[str], list[str]]) -> pytest.MarkDecorator:
    """Run a test for each target and each of the names."""
    cases = [
        pytest.param(target, name, marks=marks)
        for target, marks in TARGETS.items()
        for name in names(target.partition("-")[0])
    ]
    return pytest.mark.parametrize(("target", "name"), cases)


@parametrize_targets(failing_views_of)
def test_failed_request_is_one_event_with_its_context(report: Report, target: str, name: str) -> None:
    reported = report(target)
    (event,) = reported.events_of(name)
    line = reported.server.access_line(reported.request_ids[name])
    assert (event["event_id"], dict(event["tags"])["trace_id"]) == (line["sentry.event_id"], line["trace_id"])
    assert (event["transaction"], event["release"]) == (f"/failures/{name}/", "r1")
    assert event["environment"] == "production"
    numbers = event["contexts"]["observation"]
    assert numbers["db.transaction"] == TRANSACTION_STATES.get(name, "none")
    assert numbers["db.query_count"] == (0 if name in WITHOUT_QUERIES else 1)
    assert bool(event["breadcrumbs"]["values"]) == (name not in WITHOUT_QUERIES)


@parametrize_targets(lambda _: list(NO_FAILURES))
def test_handled_and_client_errors_are_not_reported(report: Report, target: str, name: str) -> None:
    assert report(target).events_of(name) == []


@parametrize_targets(lambda _: ["middleware"])
def test_exception_of_a_middleware_is_one_event(report: Report, target: str, name: str) -> None:
    (event,) = report(target).events_of(name)
    assert event["exception"]["values"][-1]["value"] == "the middleware failed"


@parametrize_targets(lambda _: ["secrets"])
def test_events_contain_no_secrets(report: Report, target: str, name: str) -> None:
    logged, raised = report(target).events_of(name)
    assert raised["request"]["data"]["isbn"] == "978-0-00-000001-0"
    assert any("vars" in frame for frame in raised["exception"]["values"][-1]["stacktrace"]["frames"])
    assert SECRET not in json.dumps([logged, raised])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "name", "error"),
    [
        (["manage.py", "mark_lost"], "mark_lost", "OperationalError"),
        (["-c", SCRIPT], "nightly_import", "ZeroDivisionError"),
    ],
    ids=["command", "block"],
)
def test_failed_command_or_span_is_one_event(
    tmp_path: Path, sink: Sink, command: list[str], name: str, error: str
) -> None:
    """The command fails because its database has no tables."""
    environment = own_environment(tmp_path, SENTRY_DSN=sink.dsn, DATABASE_URL=f"sqlite:///{tmp_path}/empty")
    completed = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert completed.returncode == 1
    (event,) = sink.events
    assert event["transaction"] == name
    assert event["exception"]["values"][-1]["type"] == error
    assert {"request_id", "trace_id"} <= set(event["tags"])
