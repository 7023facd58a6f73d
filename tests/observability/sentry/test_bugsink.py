"""Failures of a real server process, as a real server of Sentry's protocol groups them, and while it is away."""

from typing import Any

import pytest

from tests.bugsink import Bugsink, Project, tags_of
from tests.observability.sentry.failing import ask
from tests.server import Server, Servers, wait_for


@pytest.fixture(scope="module")
def server(servers: Servers, bugsink: Project) -> Server:
    return servers.get("gunicorn", SENTRY_DSN=bugsink.dsn, RELEASE="r1")


def stored(bugsink: Project, request_id: str) -> dict[str, Any]:
    """Return the first event of a request as soon as it is stored."""
    return wait_for(lambda: bugsink.events_of(request_id), f"an event of {request_id}")[0]


def test_unhandled_exception_is_one_event_with_the_ids_of_its_request(server: Server, bugsink: Project) -> None:
    request_id = ask(server, "/failing/")
    # A second report of this failure would have come before that of a later one.
    stored(bugsink, ask(server, "/failing/"))
    (event,) = bugsink.events_of(request_id)
    data = event["data"]
    assert tags_of(event)["trace_id"] == server.access_line(request_id)["trace_id"]
    assert (data["transaction"], data["release"]) == ("/failing/", "r1")
    assert data["exception"]["values"][-1]["type"] == "RuntimeError"


@pytest.mark.parametrize("path", ["/failing/", "/failures/logged/"])
def test_equal_failures_are_one_issue(server: Server, bugsink: Project, path: str) -> None:
    ids = [ask(server, path) for _ in range(3)]
    issues = [stored(bugsink, request_id)["issue"] for request_id in ids]
    assert len(set(issues)) == 1


def test_failures_of_two_routes_are_two_issues(server: Server, bugsink: Project) -> None:
    ids = [ask(server, path) for path in ("/failing/", "/failing-by-api/")]
    issues = [stored(bugsink, request_id)["issue"] for request_id in ids]
    assert issues[0] != issues[1]
    assert set(issues) <= {issue["id"] for issue in bugsink.issues()}


def test_failure_while_bugsink_is_stopped_is_stored_once_after_it_was_started(
    server: Server, bugsink: Project, stopped_bugsink: Bugsink
) -> None:
    request_id = ask(server, "/failing/")
    assert server.get("/ordinary/1/").status == 200
    stopped_bugsink.start()
    stored(bugsink, request_id)
    stored(bugsink, ask(server, "/failing/"))
    assert len(bugsink.events_of(request_id)) == 1


def test_projects_and_their_keys_stay_after_bugsink_was_started_again(
    bugsink: Project, stopped_bugsink: Bugsink
) -> None:
    stopped_bugsink.start()
    (project,) = [each for each in stopped_bugsink.call("projects/")["results"] if str(each["id"]) == bugsink.id]
    assert project["dsn"] == bugsink.dsn
