"""Every way to fail, reported by real processes to a real server: one event each, and what it has to say."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.bugsink import Bugsink, tags_of
from tests.observability.sentry.test_event import SECRET
from tests.probe.failures import FAILURES, NO_FAILURES
from tests.server import ROOT, Server, own_environment, running, wait_for

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
# Without a query of its own, or after the response began.
WITHOUT_QUERIES = ("raised-by-async", "raised-by-async-body", "logged", "answered", "answered-by-exception")
BLOCK = (
    "import django; django.setup()\nfrom observability import observe\nwith observe('nightly_import', rows=3): 1 / 0"
)


@pytest.fixture(scope="module", params=["gunicorn", "uvicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bugsink: Bugsink
) -> Iterator[Server]:
    variables = {"SENTRY_DSN": bugsink.dsn, "SENTRY_LOCALS": "true", "RELEASE": "r1"}
    with running(request.param, tmp_path_factory.mktemp("failures"), **variables) as server:
        yield server


def ask(server: Server, path: str, **sent: str) -> str:
    """The id of a request that was answered, as far as it goes."""
    request_id = f"asked-{uuid4().hex}"
    with suppress(IncompleteRead):
        server.get(path, X_Request_ID=request_id, **sent)
    return request_id


def reported(server: Server, bugsink: Bugsink, request_id: str) -> list[dict[str, Any]]:
    """The events of a request, once that of a later failure is there."""
    last_id = ask(server, "/failures/logged/")
    wait_for(lambda: bugsink.events_of(last_id), "the last event")
    return [event["data"] for event in bugsink.events_of(request_id)]


@pytest.mark.parametrize("name", FAILURES)
def test_failure_of_a_request_is_one_event_that_says_what_is_known(server: Server, bugsink: Bugsink, name: str) -> None:
    if name == ("raised-by-async-body" if server.name == "gunicorn" else "raised-by-body"):
        # A body of the other kind: Django makes a list of it first, and warns.
        return
    request_id = ask(server, f"/failures/{name}/")
    (event,) = reported(server, bugsink, request_id)
    line = server.access_line(request_id)
    assert (event["event_id"], dict(event["tags"])["trace_id"]) == (line["sentry.event_id"], line["trace_id"])
    assert (event["transaction"], event["release"]) == (f"/failures/{name}/", "r1")
    assert event["environment"] == "production"
    numbers = event["contexts"]["observation"]
    assert numbers["db.transaction"] == FATES.get(name, "none")
    assert numbers["db.query_count"] == (0 if name in WITHOUT_QUERIES else 1)
    assert bool(event["breadcrumbs"]["values"]) == (name not in WITHOUT_QUERIES)


@pytest.mark.parametrize("name", NO_FAILURES)
def test_what_is_no_failure_is_not_reported(server: Server, bugsink: Bugsink, name: str) -> None:
    assert reported(server, bugsink, ask(server, f"/failures/{name}/")) == []


def test_exception_of_a_middleware_is_one_event(server: Server, bugsink: Bugsink) -> None:
    (event,) = reported(server, bugsink, ask(server, "/ordinary/1/", X_Fail="1"))
    assert event["exception"]["values"][-1]["value"] == "the middleware failed"


def test_three_equal_failures_are_one_issue_whatever_their_values(server: Server, bugsink: Bugsink) -> None:
    issues = set()
    for name in ("logged", "logged", "logged"):
        request_id = ask(server, f"/failures/{name}/")
        (event,) = wait_for(lambda asked=request_id: bugsink.events_of(asked), "its event")  # type: ignore[misc] # a default
        issues.add(event["issue"])
    assert len(issues) == 1


def test_no_planted_secret_is_stored(server: Server, bugsink: Bugsink) -> None:
    body = json.dumps(
        {"account": {"password": SECRET, "list": [{"deep": {"api_key": SECRET}}]}, "isbn": "978-0-00-000001-0"}
    )
    sent = {"body": body, "Content_Type": "application/json", "Authorization": f"Bearer {SECRET}"}
    cookie = {"Cookie": f"sessionid={SECRET}; theme={SECRET}", "X_Api_Key": SECRET}
    request_id = ask(server, f"/failures/with-secrets/?token={SECRET}", method="POST", **sent, **cookie)
    logged, raised = reported(server, bugsink, request_id)
    assert raised["request"]["data"]["isbn"] == "978-0-00-000001-0"
    assert any("vars" in frame for frame in raised["exception"]["values"][-1]["stacktrace"]["frames"])
    assert SECRET not in json.dumps([logged, raised])


def of_transaction(bugsink: Bugsink, name: str) -> list[dict[str, Any]]:
    return [event for event in bugsink.events() if event["data"]["transaction"] == name]


@pytest.mark.parametrize(
    ("command", "name", "error"),
    [
        (["manage.py", "mark_lost"], "mark_lost", "OperationalError"),
        (["-c", BLOCK], "nightly_import", "ZeroDivisionError"),
    ],
)
def test_failure_of_other_work_is_one_event(
    tmp_path: Path, bugsink: Bugsink, command: list[str], name: str, error: str
) -> None:
    """The command finds no tables in its database."""
    environment = own_environment(tmp_path, SENTRY_DSN=bugsink.dsn, DATABASE_URL=f"sqlite:///{tmp_path}/empty")
    completed = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert completed.returncode == 1
    (event,) = wait_for(lambda: of_transaction(bugsink, name), "its event")
    assert event["data"]["exception"]["values"][-1]["type"] == error
    assert {"request_id", "trace_id"} <= set(tags_of(event))


def test_command_that_refuses_is_not_reported(tmp_path: Path, bugsink: Bugsink) -> None:
    environment = own_environment(tmp_path, SENTRY_DSN=bugsink.dsn)
    command = [sys.executable, "manage.py", "loglevel", "nothing.of.this.name", "LOUD"]
    assert subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False).returncode
    assert of_transaction(bugsink, "loglevel") == []
