"""Failures of a real server process, as a real server of Sentry's protocol keeps them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.bugsink import Bugsink, tags_of
from tests.server import Server, running, wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, bugsink: Bugsink) -> Iterator[Server]:
    with running("gunicorn", tmp_path_factory.mktemp("reporting"), SENTRY_DSN=bugsink.dsn, RELEASE="r1") as server:
        yield server


@pytest.fixture
def restarted(bugsink: Bugsink) -> Iterator[Bugsink]:
    """A Bugsink that was stopped and started again; it runs after the test, whatever happened."""
    bugsink.stop()
    try:
        yield bugsink
    finally:
        if bugsink.process is None:
            bugsink.start()


def failed_request(server: Server, path: str = "/failing/") -> str:
    """The id of a request that failed just now."""
    answer = server.get(path)
    assert answer.status == 500
    return str(answer.headers["X-Request-ID"])


def events_when_there(bugsink: Bugsink, request_id: str) -> list[dict[str, Any]]:
    return wait_for(lambda: bugsink.events_of(request_id), f"an event of {request_id}")


def test_unhandled_exception_is_one_event_with_the_ids_of_its_request(server: Server, bugsink: Bugsink) -> None:
    request_id = failed_request(server)
    # A second report of this failure would have come before that of a later one.
    events_when_there(bugsink, failed_request(server))
    (event,) = bugsink.events_of(request_id)
    data = event["data"]
    assert tags_of(event)["trace_id"] == server.access_line(request_id)["trace_id"]
    assert (data["transaction"], data["release"]) == ("/failing/", "r1")
    assert data["exception"]["values"][-1]["type"] == "RuntimeError"


def test_equal_failures_are_one_issue(server: Server, bugsink: Bugsink) -> None:
    issues = {events_when_there(bugsink, failed_request(server))[0]["issue"] for _ in range(3)}
    assert len(issues) == 1


def test_failures_of_two_routes_are_two_issues(server: Server, bugsink: Bugsink) -> None:
    ids = [failed_request(server, path) for path in ("/failing/", "/failing-by-api/")]
    issues = [events_when_there(bugsink, request_id)[0]["issue"] for request_id in ids]
    assert issues[0] != issues[1]
    assert set(issues) <= {issue["id"] for issue in bugsink.issues()}


def test_failure_is_reported_after_bugsink_was_stopped_and_started(server: Server, restarted: Bugsink) -> None:
    before = restarted.dsn
    restarted.start()
    assert restarted.dsn == before
    assert len(events_when_there(restarted, failed_request(server))) == 1


def test_service_answers_while_bugsink_is_stopped(server: Server, restarted: Bugsink) -> None:
    failed_request(server)
    assert server.get("/ordinary/1/").status == 200
