"""gunicorn, as it is shipped, answers while slow clients hold their connections."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.databases import own_database
from tests.server import DEADLINE_S, ROOT, Server, free_port, is_listening, migrate, own_environment, wait_for

pytestmark = [pytest.mark.server, pytest.mark.slow]

SLOW_CLIENTS = 40
HEAD = b"POST /api/v1/auth/token/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
# What a slow client sends before it waits.
BEGINNINGS = {
    "nothing": b"",
    "a part of the head": b"GET /api/v1/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
    "no body": HEAD + b"Content-Length: 100\r\n\r\n",
    "a part of the body": HEAD + b'Content-Length: 100\r\n\r\n{"username"',
    "a part of a large body": HEAD + b'Content-Length: 131072\r\n\r\n{"username"',
    "a part of a body that is refused": HEAD + b'Content-Length: 99999999\r\n\r\n{"username"',
    "a part of a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
    "an expectation": HEAD + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
    "a second request": b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /livez HTTP/1.1\r\nHost: ",
    "the end of the connection is missing": b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "an invalid request": b"\x16\x03\x01\r\n\r\n",
}


@contextmanager
def shipped(directory: Path, **variables: str) -> Iterator[Server]:
    """Run gunicorn with `settings/gunicorn.py`: one process, with 8 threads."""
    port = free_port()
    with own_database(directory) as database:
        environment = own_environment(
            directory,
            **{"DJANGO_SETTINGS_MODULE": "settings.production", "DATABASE_URL": database.url},
            **{"WEB_CONCURRENCY": "1", "PORT": str(port)},
            **variables,
        )
        migrate(database, environment)
        command = [sys.executable, "-m", "gunicorn", "--config", "settings/gunicorn.py"]
        with (directory / "output").open("wb") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            wait_for(lambda: is_listening(port) or process.poll() is not None, f"gunicorn on port {port}")
            yield Server("gunicorn", port, directory / "log", process, database, environment)
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return the server of all tests of this module."""
    with shipped(tmp_path_factory.mktemp("shipped")) as server:
        yield server


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_health_checks_and_requests_are_answered(beginning: str, server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(SLOW_CLIENTS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connection.sendall(BEGINNINGS[beginning])
        for _ in range(10):
            assert server.get("/livez").status == 200
            assert server.get("/readyz").status == 200
        values = '{"username": "nobody", "password": "x"}'
        answer = server.get("/api/v1/auth/token/", method="POST", body=values, Content_Type="application/json")
        assert answer.status in (400, 429)


def test_request_in_small_parts_is_answered(server: Server) -> None:
    body = b'{"username": "nobody"}'
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as connection:
        for byte in HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body:
            connection.sendall(bytes([byte]))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 ")


def test_requests_that_arrive_together_are_answered_in_their_order(server: Server) -> None:
    requests = b"".join(
        b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: %b\r\n\r\n" % pair
        for pair in [(b"/livez", b"keep-alive"), (b"/no-such-path", b"keep-alive"), (b"/readyz", b"close")]
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as connection:
        connection.sendall(requests)
        received = b""
        while chunk := connection.recv(1 << 16):
            received += chunk
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"404", b"200"]


def test_large_body_is_received(server: Server) -> None:
    body = json.dumps({"username": "nobody", "password": "x" * 130_000})
    answer = server.get("/api/v1/auth/token/", method="POST", body=body, Content_Type="application/json")
    assert answer.status in (400, 429)


def test_client_that_expects_100_continue_gets_it(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as connection:
        connection.sendall(HEAD + b"Connection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 ")


def test_stop_does_not_wait_for_idle_connections(tmp_path: Path) -> None:
    with shipped(tmp_path) as server, ExitStack() as stack:
        for _ in range(SLOW_CLIENTS):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        assert server.get("/livez").status == 200
        server.process.terminate()
        assert server.process.wait(DEADLINE_S) == 0
