"""Real server processes for the tests, and their log files."""

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

# The programs that serve an application, with its kind; the development server is started by `developing()`.
COMMANDS = {
    "gunicorn": ["gunicorn", "wsgi", "--worker-class=gthread", "--threads=16"],
    "uvicorn": ["uvicorn", "asgi", "--log-level=info"],
    "uvicorn-synchronous": ["uvicorn", "asgi", "--log-level=info"],
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
        """Send a request, read so many bytes of the answer or up to its end, and close the connection.

        If `read_bytes` is 0, it reads nothing, and closes when the view has logged its first line.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S) as connection:
            head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: {request_id}\r\n\r\n"
            connection.sendall(head.encode())
            if not read_bytes:
                wait_for(lambda: self.lines(request_id), f"a log line of {request_id}")
            while read_bytes > 0 and (received := connection.recv(read_bytes)):
                read_bytes -= len(received)

    def lines(self, request_id: str | None, file: str = "service.jsonl") -> list[dict[str, Any]]:
        """Return the log lines of a request, or of none, so far; each of them has to be JSON.

        What follows the last line break is being written: a reader may see a part of one write.
        """
        path = self.log_dir / file
        written = path.read_text().split("\n")[:-1] if path.exists() else []
        # A server that many tests share has many lines of others.
        mentioned = json.dumps(request_id)
        lines = map(json.loads, (line for line in written if mentioned in line))
        return [line for line in lines if line["request_id"] == request_id]

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
    """Return the environment variables of a production that keeps everything in this directory."""
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
    """Running servers of the probe project, one of each kind; the fixture `servers` ends them with the session.

    A test that changes a server for the others (its files, its processes, its logging) starts its own by `running()`.
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
    """Serve a project from a directory and a database of its own until the block ends; the probe by default."""
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
    """Serve a project under its development settings, with data and a login, until the block ends.

    The project is the probe by default. `name` and `options` are another program and its options.
    """
    development = {"DJANGO_SETTINGS_MODULE": "tests.probe.settings.development"}
    environment = own_environment(directory, **development | variables)
    database = OwnDatabase(environment["DATABASE_URL"], "sqlite")
    prepared = _prepared(environment["DJANGO_SETTINGS_MODULE"])
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
    """Start a program of COMMANDS, or `runserver`, and end it with the block."""
    port = port or free_port()
    if name == "runserver":
        command = [sys.executable, str(ROOT / "manage.py"), "runserver", "--noreload", f"127.0.0.1:{port}"]
        place = directory
    else:
        program, gateway, *others = COMMANDS[name]
        project = "tests.probe" if environment["DJANGO_SETTINGS_MODULE"].startswith("tests.probe") else "settings"
        application = f"{project}.{gateway}:application"
        command = [sys.executable, "-m", program, application, *others, *binding(name, port), *options]
        place = ROOT
    # `runserver` starts in a directory from which the project could not be imported otherwise.
    variables = environment | {"PYTHONPATH": str(ROOT)}
    written = directory / "output"
    with written.open("wb") as output:
        process = subprocess.Popen(command, cwd=place, env=variables, stdout=output, stderr=output)
    try:
        wait_for(lambda: is_listening(port) or process.poll() is not None, f"{name} on port {port}")
        assert process.poll() is None, written.read_text()
        yield Server(name, port, directory / "log", process, database, environment)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def migrate(database: OwnDatabase, environment: dict[str, str]) -> None:
    """Create the tables of an empty database; those of SQLite are a copy of a file that is made once a process."""
    if database.vendor == "sqlite":
        shutil.copy(_migrated(environment["DJANGO_SETTINGS_MODULE"]) / "db.sqlite3", database.path)
    else:
        manage(environment, "migrate", "--verbosity=0")


@cache
def _migrated(settings: str) -> Path:
    directory = _kept_directory()
    manage(own_environment(directory, DJANGO_SETTINGS_MODULE=settings), "migrate", "--verbosity=0")
    return directory


@cache
def _prepared(settings: str) -> Path:
    """The directory with the databases of a development server, ready to be copied."""
    directory = _kept_directory()
    manage(own_environment(directory, DJANGO_SETTINGS_MODULE=settings), "prepare")
    shutil.rmtree(directory / "log", ignore_errors=True)
    return directory


def _kept_directory() -> Path:
    """Return a new directory that is removed when the process ends."""
    directory = tempfile.TemporaryDirectory(prefix="vitrine-tests-")
    atexit.register(directory.cleanup)
    return Path(directory.name)


def binding(name: str, port: int) -> list[str]:
    """The options by which a program of COMMANDS listens at a port of this machine."""
    return ["--bind", f"127.0.0.1:{port}"] if name == "gunicorn" else ["--port", str(port)]


def own_environment(directory: Path, **variables: str) -> dict[str, str]:
    """The environment of a process that writes into this directory alone."""
    # Django leaves the body of a request open whose client went away under ASGI. Python says so when it collects the
    # garbage, in whatever request.
    warnings = "default,ignore::ResourceWarning"
    probe = {"DJANGO_SETTINGS_MODULE": "tests.probe.settings.production", "PYTHONWARNINGS": warnings}
    return production_environment(directory, **probe | variables)


def manage(environment: dict[str, str], *arguments: str) -> None:
    """Run a command of `manage.py` that has to succeed."""
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)


# Below the ports that the kernel gives to connections, one of which could take a port before the server has it.
PORTS = range(15_000, 32_000)


def free_port() -> int:
    """Return a port on which nothing listens."""
    while True:
        # Not by `random`: with the same seed all processes of the tests would try the same ports.
        port = PORTS[secrets.randbelow(len(PORTS))]
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def is_listening(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
