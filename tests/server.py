"""Real server processes for the tests, and their log files."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.databases import OwnDatabase, own_database

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_S = 20

Value = TypeVar("Value")

COMMANDS = {
    "gunicorn": ["gunicorn", "settings.wsgi:application", "--worker-class=gthread", "--threads=16"],
    "uvicorn": ["uvicorn", "settings.asgi:application", "--log-level=info"],
}


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Server:
    """A running server of the probe project; `name` is that of the program."""

    name: str
    port: int
    log_dir: Path
    process: subprocess.Popen[bytes]
    database: OwnDatabase
    environment: dict[str, str] = field(repr=False)

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """Send one request on a connection of its own, and read the whole answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def hang_up(self, path: str, *, request_id: str, read_bytes: int = 0) -> None:
        """Send a request, read so many bytes of the answer (0: none) or up to its end, and close the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S) as connection:
            head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: {request_id}\r\n\r\n"
            connection.sendall(head.encode())
            if not read_bytes:
                time.sleep(0.2)
            while read_bytes > 0 and (received := connection.recv(read_bytes)):
                read_bytes -= len(received)

    def lines(self, request_id: str, file: str = "service.jsonl") -> list[dict[str, Any]]:
        """The log lines of a request by now; each line of the file has to be JSON."""
        path = self.log_dir / file
        written = path.read_text().splitlines() if path.exists() else []
        return [line for line in map(json.loads, written) if line["request_id"] == request_id]

    def access_line(self, request_id: str) -> dict[str, Any]:
        """The access line of a request, which is written after its last byte was sent; it must be the only one."""
        found = wait_for(lambda: access_lines(self.lines(request_id)), f"an access line of {request_id}")
        assert len(found) == 1
        return found[0]


def access_lines(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["logger"] == "observability.access"]


def wait_for(read: Callable[[], Value], what: str) -> Value:
    """What `read` returns as soon as it is true; fails after 20 s."""
    deadline = time.monotonic() + DEADLINE_S
    while not (value := read()):
        assert time.monotonic() < deadline, f"{what} did not come within {DEADLINE_S} s"
        time.sleep(0.02)
    return value


@contextmanager
def running(name: str, directory: Path, **variables: str) -> Iterator[Server]:
    """Serve the probe project from a directory and a database of its own until the block ends."""
    with own_database(directory) as database, _serving(name, directory, database, variables) as server:
        yield server


@contextmanager
def _serving(name: str, directory: Path, database: OwnDatabase, variables: dict[str, str]) -> Iterator[Server]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.probe.settings",
        "SECRET_KEY": "0123456789abcdef" * 4,
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": database.url,
        "LOG_DIR": str(directory / "log"),
        "PYTHONWARNINGS": "default",
        **variables,
    }
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], cwd=ROOT, env=environment, check=True)
    port = free_port()
    bind = ["--bind", f"127.0.0.1:{port}"] if name == "gunicorn" else ["--port", str(port)]
    with (directory / "output").open("wb") as output:
        command = [sys.executable, "-m", *COMMANDS[name], *bind]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    server = Server(name, port, directory / "log", process, database, environment)
    try:
        wait_for(lambda: is_listening(port) or process.poll() is not None, f"{name} on port {port}")
        yield server
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
