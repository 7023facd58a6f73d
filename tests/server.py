"""Start real server processes for tests and read their log files."""

import atexit
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from tests.databases import OwnDatabase, own_database

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_S = 20

Value = TypeVar("Value")

# Commands of application servers, with the kind of application. `developing()` starts the development server.
COMMANDS = {
    "gunicorn": ["gunicorn", "wsgi", "--worker-class=gthread", "--threads=16"],
    "uvicorn": ["uvicorn", "asgi", "--log-level=info"],
    "uvicorn-synchronous": ["uvicorn", "asgi", "--log-level=info"],
}


@dataclass
class Answer:
    """The response of a server."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Server:
    """A running server; `name` is a key of COMMANDS or `runserver`."""

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
        """Send one request on a new connection and read the whole response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def hang_up(self, path: str, *, request_id: str, read_bytes: int = 0) -> None:
        """Send a request, read up to `read_bytes` bytes of the response, and close the connection.

        If `read_bytes` is 0, read nothing, and close the connection when the view has logged its first line.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S) as connection:
            head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: {request_id}\r\n\r\n"
            connection.sendall(head.encode())
            if not read_bytes:
                wait_for(lambda: self.lines(request_id), f"a log line of {request_id}")
            while read_bytes > 0 and (received := connection.recv(read_bytes)):
                read_bytes -= len(received)

    def lines(self, request_id: str | None, file: str = "service.jsonl") -> list[dict[str, Any]]:
        """Return the current log lines of a request (None: of no request); fail if one is not JSON.

        Text after the last line break is ignored: it may be a part of a write.
        """
        path = self.log_dir / file
        written = path.read_text().split("\n")[:-1] if path.exists() else []
        # Parse only possible lines: a shared server has many lines of other tests.
        mentioned = json.dumps(request_id)
        lines = map(json.loads, (line for line in written if mentioned in line))
        return [line for line in lines if line["request_id"] == request_id]

    def access_line(self, request_id: str) -> dict[str, Any]:
        """Wait for the access log line of a request, which follows the last byte; fail if there is more than one."""
        found = wait_for(lambda: access_lines(self.lines(request_id)), f"an access log line of {request_id}")
        assert len(found) == 1
        return found[0]


def access_lines(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["logger"] == "observability.access"]


def wait_for(read: Callable[[], Value], what: str, *, deadline_s: float = DEADLINE_S) -> Value:
    """Call `read` until its result is true and return the result; fail after `deadline_s` seconds."""
    deadline = time.monotonic() + deadline_s
    while not (value := read()):
        assert time.monotonic() < deadline, f"{what} did not come within {deadline_s} s"
        time.sleep(0.02)
    return value


def production_environment(directory: Path, **others: str) -> dict[str, str]:
    """Return the environment variables of a production instance that writes only to this directory."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "settings.production",
        "SECRET_KEY": "0123456789abcdef" * 4,
        "ALLOWED_HOSTS": "127.0.0.1",
        "INSECURE_HTTP": "true",
        "DATABASE_URL": f"sqlite:///{directory / 'db.sqlite3'}",
        "SILK_DATABASE_URL": f"sqlite:///{directory / 'silk.sqlite3'}",
        "LOG_DIR": str(directory / "log"),
        "VAR_DIR": str(directory),
        "SENTRY_SPOOL_DIR": str(directory / "sentry-spool"),
        "STATIC_ROOT": str(directory / "static"),
        **others,
    }


@dataclass
class Servers:
    """Running servers of the probe project, one of each kind. The fixture `servers` stops them after the session.

    If a test changes files, processes or logging of a server, it must start its own server with `running()`.
    """

    directory: Path
    started: dict[str, Server] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    def get(self, name: str, **variables: str) -> Server:
        """Return the server of COMMANDS with these variables, or the development server if the name is `runserver`."""
        key = " ".join([name, *(f"{variable}={value}" for variable, value in sorted(variables.items()))])
        if key not in self.started:
            directory = self.directory / f"{name}-{len(self.started)}"
            directory.mkdir()
            serving = (
                developing(directory, None, **variables)
                if name == "runserver"
                else running(name, directory, **variables)
            )
            self.started[key] = self.stack.enter_context(serving)
        return self.started[key]


@contextmanager
def running(name: str, directory: Path, **variables: str) -> Iterator[Server]:
    """Serve a project with its own directory and database until the block ends; the default is the probe project."""
    probe = "synchronous" if "synchronous" in name else "production"
    with own_database(directory) as database:
        others = {"DJANGO_SETTINGS_MODULE": f"tests.probe.settings.{probe}", "DATABASE_URL": database.url} | variables
        environment = own_environment(directory, **others)
        migrate(database, environment)
        with served(name, directory, environment, database) as server:
            yield server


@contextmanager
def developing(
    directory: Path, port: int | None = None, *, name: str = "runserver", options: Sequence[str] = (), **variables: str
) -> Iterator[Server]:
    """Serve a project with its development settings, data and a login, until the block ends.

    The default is the probe project. `name` and `options` select another server of COMMANDS and its options.
    """
    development = {"DJANGO_SETTINGS_MODULE": "tests.probe.settings.development"}
    environment = own_environment(directory, **development | variables)
    database = OwnDatabase(environment["DATABASE_URL"], "sqlite")
    prepared = _prepared_databases(environment["DJANGO_SETTINGS_MODULE"])
    for file in prepared.iterdir():
        shutil.copy(file, directory)
    with served(name, directory, environment, database, port=port, options=options) as server:
        yield server


@contextmanager
def served(
    name: str,
    directory: Path,
    environment: dict[str, str],
    database: OwnDatabase,
    *,
    port: int | None = None,
    options: Sequence[str] = (),
) -> Iterator[Server]:
    """Start a server of COMMANDS, or `runserver`, and stop it at the end of the block."""
    port = port or free_port()
    if name == "runserver":
        command = [sys.executable, str(ROOT / "manage.py"), "runserver", "--noreload", f"127.0.0.1:{port}"]
        working_directory = directory
    else:
        program, gateway, *others = COMMANDS[name]
        project = "tests.probe" if environment["DJANGO_SETTINGS_MODULE"].startswith("tests.probe") else "settings"
        application = f"{project}.{gateway}:application"
        command = [sys.executable, "-m", program, application, *others, *bind_options(name, port), *options]
        working_directory = ROOT
    # `runserver` starts in another directory, so Python needs the path of the project.
    variables = environment | {"PYTHONPATH": str(ROOT)}
    written = directory / "output"
    with written.open("wb") as output:
        process = subprocess.Popen(command, cwd=working_directory, env=variables, stdout=output, stderr=output)
    try:
        wait_for(lambda: is_listening(port) or process.poll() is not None, f"{name} on port {port}")
        assert process.poll() is None, written.read_text()
        yield Server(name, port, directory / "log", process, database, environment)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def migrate(database: OwnDatabase, environment: dict[str, str]) -> None:
    """Create the tables of an empty database; for SQLite, copy a file that is created once per process."""
    if database.vendor == "sqlite":
        shutil.copy(_migrated_database(environment["DJANGO_SETTINGS_MODULE"]) / "db.sqlite3", database.path)
    else:
        manage(environment, "migrate", "--verbosity=0")


@cache
def _migrated_database(settings: str) -> Path:
    directory = _temporary_directory()
    manage(own_environment(directory, DJANGO_SETTINGS_MODULE=settings), "migrate", "--verbosity=0")
    return directory


@cache
def _prepared_databases(settings: str) -> Path:
    """Return a directory with prepared databases of a development server, to copy from."""
    directory = _temporary_directory()
    manage(own_environment(directory, DJANGO_SETTINGS_MODULE=settings), "prepare")
    shutil.rmtree(directory / "log", ignore_errors=True)
    return directory


def _temporary_directory() -> Path:
    """Return a new directory that is deleted when the process ends."""
    directory = tempfile.TemporaryDirectory(prefix="vitrine-tests-")
    atexit.register(directory.cleanup)
    return Path(directory.name)


def bind_options(name: str, port: int) -> list[str]:
    """Return the options with which a server of COMMANDS listens on a port of 127.0.0.1."""
    return ["--bind", f"127.0.0.1:{port}"] if name == "gunicorn" else ["--port", str(port)]


def own_environment(directory: Path, **variables: str) -> dict[str, str]:
    """Return the environment variables of a process that writes only to this directory."""
    # Under ASGI, if the client disconnects, Django does not close the file of the request body. Python then warns at
    # the next garbage collection, during any request.
    warnings = "default,ignore::ResourceWarning"
    probe = {"DJANGO_SETTINGS_MODULE": "tests.probe.settings.production", "PYTHONWARNINGS": warnings}
    return production_environment(directory, **probe | variables)


def manage(environment: dict[str, str], *arguments: str) -> None:
    """Run a command of `manage.py`; fail if its exit code is not 0."""
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)


# Below the ephemeral ports of the kernel: an outgoing connection could take one before the server starts.
PORTS = range(15_000, 32_000)


def free_port() -> int:
    """Return a free port."""
    while True:
        # Not `random`: all test processes have the same seed and would try the same ports.
        port = PORTS[secrets.randbelow(len(PORTS))]
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def is_listening(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
