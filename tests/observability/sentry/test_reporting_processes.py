"""Every way to fail, reported by real processes: one event each, with its content.

The events are those that a sink accepts, and those that a real server of Sentry's protocol stores.
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
from tests.observability.sentry.failing import SECRET, ask, ask_with_secrets, failures_of, names_of
from tests.probe.failures import NO_FAILURES
from tests.sentry_sink import Sink
from tests.server import ROOT, Server, Servers, own_environment, wait_for

# Of the transaction of a request, when its event was made; those that are not named used none.
FATES = {
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
# Without a query, or after the response began.
WITHOUT_QUERIES = ("raised-by-async", "raised-by-async-body", "logged", "answered", "answered-by-exception")
# Each server reports to a sink, and to Bugsink.
WAYS: dict[str, list[pytest.MarkDecorator]] = {
    "gunicorn": [pytest.mark.database],
    "uvicorn": [],
    "gunicorn-bugsink": [pytest.mark.external("bugsink")],
    "uvicorn-bugsink": [pytest.mark.external("bugsink")],
}
# A command that refuses its arguments, and a block that fails, in a process without a server.
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
class Reported:
    """The requests that were sent to a server, by name, and the events that it reported of them all."""

    server: Server
    request_ids: dict[str, str]
    events: list[dict[str, Any]]

    def events_of(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if dict(event["tags"])["request_id"] == self.request_ids[name]]


Report = Callable[[str], Reported]


def events_at(place: Sink | Project) -> list[dict[str, Any]]:
    return [each["data"] for each in place.events()] if isinstance(place, Project) else place.events


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest, servers: Servers, shared_sink: Sink) -> Report:
    """Return what was reported in one of WAYS; the requests are sent once for all tests."""

    @cache
    def report(way: str) -> Reported:
        name, _, is_stored = way.partition("-")
        place: Sink | Project = request.getfixturevalue("bugsink") if is_stored else shared_sink
        server = servers.get(name, SENTRY_DSN=place.dsn, SENTRY_LOCALS="true", RELEASE="r1")
        ids = {each: ask(server, f"/failures/{each}/") for each in names_of(name)}
        ids["middleware"] = ask(server, "/ordinary/1/", X_Fail="1")
        ids["secrets"] = ask_with_secrets(server)
        # A second report of a failure would come before that of a later one.
        last_id = ask(server, "/failures/logged/")
        wait_for(lambda: place.events_of(last_id), "the last event")
        return Reported(server, ids, list(events_at(place)))

    return report


def each_way(names: Callable[[str], list[str]]) -> pytest.MarkDecorator:
    """Run a test for each of these names in each of WAYS."""
    cases = [
        pytest.param(way, name, marks=marks) for way, marks in WAYS.items() for name in names(way.partition("-")[0])
    ]
    return pytest.mark.parametrize(("way", "name"), cases)


@each_way(failures_of)
def test_failure_of_a_request_is_one_event_that_says_what_is_known(report: Report, way: str, name: str) -> None:
    reported = report(way)
    (event,) = reported.events_of(name)
    line = reported.server.access_line(reported.request_ids[name])
    assert (event["event_id"], dict(event["tags"])["trace_id"]) == (line["sentry.event_id"], line["trace_id"])
    assert (event["transaction"], event["release"]) == (f"/failures/{name}/", "r1")
    assert event["environment"] == "production"
    numbers = event["contexts"]["observation"]
    assert numbers["db.transaction"] == FATES.get(name, "none")
    assert numbers["db.query_count"] == (0 if name in WITHOUT_QUERIES else 1)
    assert bool(event["breadcrumbs"]["values"]) == (name not in WITHOUT_QUERIES)


@each_way(lambda _: list(NO_FAILURES))
def test_what_is_not_a_failure_is_not_reported(report: Report, way: str, name: str) -> None:
    assert report(way).events_of(name) == []


@each_way(lambda _: ["middleware"])
def test_exception_of_a_middleware_is_one_event(report: Report, way: str, name: str) -> None:
    (event,) = report(way).events_of(name)
    assert event["exception"]["values"][-1]["value"] == "the middleware failed"


@each_way(lambda _: ["secrets"])
def test_no_planted_secret_leaves(report: Report, way: str, name: str) -> None:
    logged, raised = report(way).events_of(name)
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
def test_failure_of_other_work_is_one_event_and_a_refusal_is_none(
    tmp_path: Path, listening: Sink, command: list[str], name: str, error: str
) -> None:
    """The command finds no tables in its database."""
    environment = own_environment(tmp_path, SENTRY_DSN=listening.dsn, DATABASE_URL=f"sqlite:///{tmp_path}/empty")
    completed = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert completed.returncode == 1
    (event,) = listening.events
    assert event["transaction"] == name
    assert event["exception"]["values"][-1]["type"] == error
    assert {"request_id", "trace_id"} <= set(event["tags"])
