"""Profiles on real servers: several processes, many concurrent requests, and killed processes."""

import html
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.observability.profiler.conftest import NAVIGATION
from tests.server import Answer, Server, developing, wait_for

# The number of server processes.
PROCESSES = {"gunicorn": 2, "uvicorn": 1}
LIST = "/__debug__/requests/"
REQUESTS = 24

pytestmark = [pytest.mark.server, pytest.mark.slow]


@contextmanager
def two_processes(directory: Path) -> Iterator[Server]:
    """Serve the project with two gunicorn processes until the block ends."""
    with developing(directory, name="gunicorn", options=["--workers=2"]) as server:
        server.get("/livez")
        wait_for(lambda: len(processes_of(server)) == 2, "a response of each process")
        yield server


def processes_of(server: Server) -> set[int]:
    """Send concurrent requests. Return the processes that have responded up to now."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: server.get("/livez", **NAVIGATION), range(8)))
    return {profile["process"] for profile in get_json(server, LIST)["requests"]}


@pytest.fixture(scope="module")
def wsgi_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with two_processes(tmp_path_factory.mktemp("wsgi")) as server:
        yield server


@pytest.fixture(scope="module")
def disposable_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start two processes for the tests that kill one of them or delete their file."""
    with two_processes(tmp_path_factory.mktemp("disposable_server")) as server:
        yield server


@pytest.fixture(scope="module", params=["wsgi_server", "asgi_server"])
def either(request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue(request.param)
    return server


def get_json(server: Server, path: str) -> dict[str, Any]:
    """Return the JSON of a URL."""
    answer = server.get(path, Accept="application/json")
    assert answer.status == 200
    document: dict[str, Any] = json.loads(answer.body)
    return document


def profile_of(server: Server, answer: Answer) -> dict[str, Any]:
    """Wait until the request has ended, which is after its last byte, and return its profile."""
    path = answer.headers["X-Profile-URL"].removeprefix(server.origin)
    return wait_for(lambda: (profile := get_json(server, path))["state"] == "closed" and profile, f"the end of {path}")


def wait_for_request(server: Server, request_id: str, *states: str) -> dict[str, Any]:
    """Wait until the list has the request with one of these states, and return it."""
    path = f"{LIST}?request_id={request_id}"

    def found() -> list[dict[str, Any]]:
        return [profile for profile in get_json(server, path)["requests"] if profile["state"] in states]

    (profile,) = wait_for(found, f"{request_id}, {' or '.join(states)}")
    return profile


@contextmanager
def request_without_end(server: Server, request_id: str) -> Iterator[None]:
    """Request a body that takes ten seconds, and disconnect when the block ends."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"GET /endless/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: {request_id}\r\n\r\n"
        connection.sendall(head.encode())
        yield


@dataclass
class Sent:
    """One of many requests, and its response."""

    size: int
    request_id: str
    path: str
    answer: Answer


@pytest.fixture(scope="module")
def sent(either: Server) -> list[Sent]:
    """Send concurrent requests with different ids, query strings and responses."""

    def send(size: int) -> Sent:
        request_id, path = f"{uuid4().hex}-{size}", f"/api/v1/books/?page_size={size}"
        return Sent(size, request_id, path, either.get(path, X_Request_ID=request_id))

    with ThreadPoolExecutor(REQUESTS) as pool:
        return list(pool.map(send, range(1, REQUESTS + 1)))


def test_each_concurrent_request_has_a_profile(either: Server, sent: list[Sent]) -> None:
    assert {one.answer.status for one in sent} == {200}
    assert len({one.answer.headers["X-Profile-URL"] for one in sent}) == REQUESTS
    profiles = [profile_of(either, one.answer) for one in sent]
    assert [(profile["request_id"], profile["request"]["url"]) for profile in profiles] == [
        (one.request_id, one.path) for one in sent
    ]


def test_profile_of_each_concurrent_request_has_its_response_body(either: Server, sent: list[Sent]) -> None:
    for one in sent:
        body = profile_of(either, one.answer)["response"]["body"]
        assert body["bytes"] == len(one.answer.body)
        assert body["text"] == one.answer.body.decode()


def test_profile_of_each_concurrent_request_has_the_numbers_of_its_access_log_line(
    either: Server, sent: list[Sent]
) -> None:
    for one in sent:
        profile, line = profile_of(either, one.answer), either.access_line(one.request_id)
        assert (profile["query_count"], profile["repeated_count"], profile["duration_ms"]) == (
            line["db.query_count"],
            line["db.repeated_count"],
            pytest.approx(line["duration_ms"], abs=0.1),
        )
        assert sum(statement["count"] for statement in profile["statements"]) == profile["query_count"]


def test_list_has_the_requests_of_all_processes(either: Server, sent: list[Sent]) -> None:
    profiles = get_json(either, LIST)["requests"]
    assert {one.request_id for one in sent} <= {profile["request_id"] for profile in profiles}
    assert len({profile["process"] for profile in profiles}) == PROCESSES[either.name]


def test_each_process_shows_all_toolbar_panels(either: Server, sent: list[Sent]) -> None:
    one = sent[12]
    query = urlencode({"request_id": one.answer.headers["djdt-request-id"], "panel_id": "SQLPanel"})

    def statements(_: int) -> list[str]:
        loaded = either.get(f"/__debug__/render_panel/?{query}", Sec_Fetch_Mode="cors")
        assert loaded.status == 200
        text = re.sub(r"<[^>]*>", "", html.unescape(json.loads(loaded.body)["content"]))
        return re.findall(r"LIMIT (\d+)", text)

    with ThreadPoolExecutor(10) as pool:
        shown = list(pool.map(statements, range(10)))
    assert set(shown[0]) == {f"{one.size}"}
    assert shown == [shown[0]] * 10


def test_running_request_is_visible_to_all_processes_until_its_client_disconnects(wsgi_server: Server) -> None:
    with request_without_end(wsgi_server, "request-that-runs"):
        profile = wait_for_request(wsgi_server, "request-that-runs", "running")
        assert [wait_for_request(wsgi_server, "request-that-runs", "running", "lost", "closed") for _ in range(4)] == [
            profile
        ] * 4
    assert wait_for_request(wsgi_server, "request-that-runs", "closed", "lost")["state"] == "closed"


def test_request_of_a_killed_process_is_lost(disposable_server: Server) -> None:
    with request_without_end(disposable_server, "request-that-was-killed"):
        profile = wait_for_request(disposable_server, "request-that-was-killed", "running")
        os.kill(profile["process"], signal.SIGKILL)
        # It is running until gunicorn has noticed that the process has ended.
        assert wait_for_request(disposable_server, "request-that-was-killed", "closed", "lost")["state"] == "lost"


def test_file_is_created_again_if_it_was_deleted_while_processes_run(disposable_server: Server) -> None:
    (Path(disposable_server.environment["VAR_DIR"]) / "profiles.sqlite3").unlink()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: disposable_server.get("/api/v1/books/?page_size=1"), range(20)))
    profiles = [profile_of(disposable_server, answer) for answer in answers]
    assert {profile["request_id"] for profile in profiles} == {answer.headers["X-Request-ID"] for answer in answers}


def test_query_of_asynchronous_code_has_the_waiting_line_as_origin(asgi_server: Server) -> None:
    profile = profile_of(asgi_server, asgi_server.get("/counting-async/"))
    (statement,) = profile["statements"]
    assert [line.partition(" ")[2] for line in statement["origin"]["lines"]] == ["counting_async"]
