"""Failures of a real server process in Bugsink: grouping, and an outage of Bugsink."""

from typing import Any

import pytest

from tests.bugsink import Bugsink, Project, tags_of
from tests.observability.sentry.failing import send_request
from tests.server import Server, Servers, wait_for


@pytest.fixture(scope="module")
def server(servers: Servers, bugsink: Project) -> Server:
    return servers.get("gunicorn", SENTRY_DSN=bugsink.dsn, RELEASE="r1")


def stored(bugsink: Project, request_id: str) -> dict[str, Any]:
    """Wait until an event of the request is stored, and return it."""
    return wait_for(lambda: bugsink.events_of(request_id), f"an event of {request_id}")[0]


def test_exception_is_one_stored_event_with_the_ids_of_its_request(server: Server, bugsink: Project) -> None:
    request_id = send_request(server, "/failing/")
    # If the failure was reported twice, both events arrive before the event of this later failure.
    stored(bugsink, send_request(server, "/failing/"))
    (event,) = bugsink.events_of(request_id)
    data = event["data"]
    assert tags_of(event)["trace_id"] == server.access_line(request_id)["trace_id"]
    assert (data["transaction"], data["release"]) == ("/failing/", "r1")
    assert data["exception"]["values"][-1]["type"] == "RuntimeError"


@pytest.mark.parametrize("path", ["/failing/", "/failures/logged/"])
def test_equal_failures_are_one_issue(server: Server, bugsink: Project, path: str) -> None:
    ids = [send_request(server, path) for _ in range(3)]
    issues = [stored(bugsink, request_id)["issue"] for request_id in ids]
    assert len(set(issues)) == 1


def test_failures_of_two_routes_are_two_issues(server: Server, bugsink: Project) -> None:
    ids = [send_request(server, path) for path in ("/failing/", "/failing-by-api/")]
    issues = [stored(bugsink, request_id)["issue"] for request_id in ids]
    assert issues[0] != issues[1]
    assert set(issues) <= {issue["id"] for issue in bugsink.issues()}


def test_failure_during_an_outage_is_stored_once_afterwards(
    server: Server, bugsink: Project, stopped_bugsink: Bugsink
) -> None:
    request_id = send_request(server, "/failing/")
    assert server.get("/ordinary/1/").status == 200
    stopped_bugsink.start()
    stored(bugsink, request_id)
    stored(bugsink, send_request(server, "/failing/"))
    assert len(bugsink.events_of(request_id)) == 1


def test_restarted_bugsink_keeps_projects_and_keys(bugsink: Project, stopped_bugsink: Bugsink) -> None:
    stopped_bugsink.start()
    (project,) = [each for each in stopped_bugsink.call("projects/")["results"] if str(each["id"]) == bugsink.id]
    assert project["dsn"] == bugsink.dsn
