"""Failures of real processes, as they arrive at a server of Sentry's protocol."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sentry_sink import Sink, sentry_sink
from tests.server import COMMANDS, ROOT, Server, production_environment, running, wait_for


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with sentry_sink() as sink:
        yield sink


@pytest.fixture(scope="module", params=COMMANDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Server]:
    with running(request.param, tmp_path_factory.mktemp("sentry"), SENTRY_DSN=sink.dsn) as server:
        yield server


@pytest.mark.parametrize("path", ["/failing/", "/failing-by-api/", "/failing-async/"])
def test_unhandled_exception_of_a_view_is_reported_once(server: Server, sink: Sink, path: str) -> None:
    request_id = server.get(path).headers["X-Request-ID"]
    trace_id = server.access_line(request_id)["trace_id"]
    # A second report of the first failure would have come before the only one of the last.
    last_id = server.get("/failing/").headers["X-Request-ID"]
    wait_for(lambda: [each for each in sink.events if each["tags"]["request_id"] == last_id], "the last event")
    (event,) = [each for each in sink.events if each["tags"]["request_id"] == request_id]
    assert event["tags"]["trace_id"] == trace_id
    assert event["exception"]["values"][-1]["type"] == "RuntimeError"
    assert event["transaction"] == path


def test_request_that_succeeds_and_an_error_of_the_client_are_not_reported(server: Server, sink: Sink) -> None:
    ids = {server.get(path).headers["X-Request-ID"] for path in ("/ordinary/1/", "/not-found-by-api/", "/nowhere/")}
    last_id = server.get("/failing/").headers["X-Request-ID"]
    wait_for(lambda: [each for each in sink.events if each["tags"]["request_id"] == last_id], "the last event")
    assert not [each for each in sink.events if each["tags"]["request_id"] in ids]


def test_exception_of_a_command_is_reported_once(tmp_path: Path, sink: Sink) -> None:
    """Its database has no tables."""
    environment = production_environment(tmp_path, SENTRY_DSN=sink.dsn)
    before = len(sink.events)
    command = [sys.executable, "manage.py", "mark_offline"]
    assert subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False).returncode == 1
    (event,) = sink.events[before:]
    assert event["exception"]["values"][-1]["type"] == "OperationalError"
    assert {"request_id", "trace_id"} <= set(event["tags"])
