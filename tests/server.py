"""Real server processes for the tests, and their log files."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.databases import OwnDatabase, own_database

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_S = 20

Value = TypeVar("Value")

# Those that serve an application; the development server is started by `developing()`.
COMMANDS = {
    "gunicorn": ["gunicorn", "settings.wsgi:application", "--worker-class=gthread", "--threads=16"],
    "uvicorn": ["uvicorn", "settings.asgi:application", "--log-level=info"],
    "uvicorn-synchronous": ["uvicorn", "settings.asgi:application", "--log-level=info"],
}


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Server:
    """A running server; `name` is that of the program."""

    name: str
    port: int
    log_dir: Path
    process: subprocess.Popen[bytes]
    database: OwnDatabase
    environment: dict[str, str] = field(repr=False)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, *, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        """Send one request on a connection of its own, and read the whole answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
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

    def lines(self, request_id: str | None, file: str = "service.jsonl") -> list[dict[str, Any]]:
        """The log lines of a request, or of none, by now; each line of the file has to be JSON.

        What follows the last line break is being written: a reader may see a part of one write.
        """
        path = self.log_dir / file
        written = path.read_text().split("\n")[:-1] if path.exists() else []
        return [line for line in map(json.loads, written) if line["request_id"] == request_id]

    def access_line(self, request_id: str) -> dict[str, Any]:
        """The access line of a request, which is written after its last byte was sent; it must be the only one."""
        found = wait_for(lambda: access_lines(self.lines(request_id)), f"an access line of {request_id}")
        assert len(found) == 1
        return found[0]


def access_lines(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["logger"] == "observability.access"]


def wait_for(read: Callable[[], Value], what: str, *, deadline_s: float = DEADLINE_S) -> Value:
    """What `read` returns as soon as it is true; fails after `deadline_s` seconds."""
    deadline = time.monotonic() + deadline_s
    while not (value := read()):
        assert time.monotonic() < deadline, f"{what} did not come within {deadline_s} s"
        time.sleep(0.02)
    return value


def production_environment(directory: Path, **others: str) -> dict[str, str]:
    """What an operator gives a production that keeps everything in this directory."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "settings.production",
        "SECRET_KEY": "0123456789abcdef" * 4,
        "ALLOWED_HOSTS": "127.0.0.1",
        "INSECURE_HTTP": "true",
        "DATABASE_URL": f"sqlite:///{directory / 'db.sqlite3'}",
        "SILK_DATABASE_URL": f"sqlite:///{directory / 'silk.sqlite3'}",
        "LOG_DIR": str(directory / "log"),
        "PROFILE_FILE": str(directory / "profiles.sqlite3"),
        "SENTRY_SPOOL_DIR": str(directory / "sentry-spool"),
        "STATIC_ROOT": str(directory / "static"),
        **others,
    }


@contextmanager
def running(name: str, directory: Path, **variables: str) -> Iterator[Server]:
    """Serve the probe project from a directory and a database of its own until the block ends."""
    probe = "synchronous" if "synchronous" in name else "settings"
    with own_database(directory) as database:
        others = {"DJANGO_SETTINGS_MODULE": f"tests.probe.{probe}", "DATABASE_URL": database.url} | variables
        environment = own_environment(directory, **others)
        manage(environment, "migrate", "--verbosity=0")
        port = free_port()
        command = [sys.executable, "-m", *COMMANDS[name], *binding(name, port)]
        with started(command, name, port, directory, environment, database) as server:
            yield server


@contextmanager
def developing(
    directory: Path, port: int | None = None, *, name: str = "runserver", options: Sequence[str] = (), **variables: str
) -> Iterator[Server]:
    """Serve the service with its demo fleet as `bin/run` does, but in a directory of its own, until the block ends.

    `name` and `options` are another program and what is passed to it.
    """
    development = {"DJANGO_SETTINGS_MODULE": "settings.development"}
    environment = own_environment(directory, **development | variables)
    manage(environment, "prepare")
    port = port or free_port()
    database = OwnDatabase(environment["DATABASE_URL"], "sqlite")
    if name == "runserver":
        command = [sys.executable, str(ROOT / "manage.py"), "runserver", "--noreload", f"127.0.0.1:{port}"]
        directory_of_process = directory
    else:
        command = [sys.executable, "-m", *COMMANDS[name], *binding(name, port), *options]
        directory_of_process = ROOT
    with started(
        command, name, port, directory, environment, database, working_directory=directory_of_process
    ) as server:
        yield server


def binding(name: str, port: int) -> list[str]:
    """The options by which a program of COMMANDS listens at a port of this machine."""
    return ["--bind", f"127.0.0.1:{port}"] if name == "gunicorn" else ["--port", str(port)]


def own_environment(directory: Path, **variables: str) -> dict[str, str]:
    """The environment of a process that writes into this directory alone."""
    probe = {"DJANGO_SETTINGS_MODULE": "tests.probe.settings", "PYTHONWARNINGS": "default"}
    return production_environment(directory, **probe | variables)


def manage(environment: dict[str, str], *arguments: str) -> None:
    """Run a command of `manage.py` that has to succeed."""
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)


@contextmanager
def started(
    command: list[str],
    name: str,
    port: int,
    directory: Path,
    environment: dict[str, str],
    database: OwnDatabase,
    *,
    working_directory: Path = ROOT,
) -> Iterator[Server]:
    """The server that a command starts, from when it listens until the block ends."""
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=working_directory, env=environment, stdout=output, stderr=output)
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
