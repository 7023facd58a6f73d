"""The service with the production settings, served by gunicorn as in `bin/run --production`."""

import http.client
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server import DEADLINE_S, ROOT, access_lines, free_port, production_environment, wait_for
from tests.serving.warm_python import WarmPython

# Extends the configuration of the repository.
WARNING_MASTER = """
import warnings
from settings import gunicorn
from settings.gunicorn import *

def on_starting(server):
    gunicorn.on_starting(server)
    warnings.warn("the master warns")
"""
OVERRIDES = "loggers:\n  gunicorn.error: {handlers: [sql]}\n"
# Some of the files are enough, and take less time to compress.
COLLECTSTATIC = (
    "collectstatic",
    "--noinput",
    "--verbosity=0",
    "--ignore=js",
    "--ignore=rest_framework",
)
ADDRESS = "/api/v1/"
CLIENTS = 8
REQUESTS = 800


def get(port: int, path: str) -> http.client.HTTPResponse:
    """Send one request and read the whole response."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response


def is_alive(port: int) -> bool:
    try:
        return get(port, "/livez").status == 200
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Production:
    """A gunicorn process with the production settings, which writes all its files to `directory`."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path

    @property
    def stderr(self) -> str:
        """Return the text that it has written to stderr."""
        return (self.directory / "stderr").read_text()

    def lines(self) -> list[dict[str, object]]:
        """Return all complete lines of the log as objects; fail if a line is not JSON."""
        written = (self.directory / "log" / "service.jsonl").read_text()
        return [json.loads(line) for line in written[: written.rfind("\n") + 1].splitlines()]

    def logged_ids(self) -> list[object]:
        return [line["request_id"] for line in access_lines(self.lines()) if line["url.path"] == ADDRESS]


@contextmanager
def serving(environment: dict[str, str], directory: Path) -> Iterator[Production]:
    """Run gunicorn with two workers until the block ends.

    Wait for the first response before the block starts: a worker that was just forked would ignore the SIGTERM.
    """
    port = free_port()
    (directory / "configuration.py").write_text(WARNING_MASTER)
    (directory / "more.yaml").write_text(OVERRIDES)
    variables = {"LOGGING_OVERRIDES": str(directory / "more.yaml"), "PYTHONPATH": str(ROOT)}
    with (directory / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", str(directory / "configuration.py")],
            cwd=ROOT,
            env={"WEB_CONCURRENCY": "2"} | environment | variables | {"PORT": str(port)},
            stderr=stderr,
        )
    try:
        wait_for(lambda: is_alive(port) or process.poll() is not None, "gunicorn")
        yield Production(process, port, directory)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, python: WarmPython) -> dict[str, str]:
    """Return the environment variables of a production instance with tables and static files."""
    environment = production_environment(tmp_path_factory.mktemp("production"))
    for arguments in (("migrate", "--verbosity=0"), COLLECTSTATIC):
        completed = python.run("manage.py", *arguments, env=environment)
        assert completed.returncode == 0, completed.stderr
    return environment


@pytest.fixture(scope="module")
def production(prepared: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """Return a server that the tests of this module share; no test stops it."""
    directory = tmp_path_factory.mktemp("server")
    with serving(prepared | {"LOG_DIR": str(directory / "log")}, directory) as server:
        yield server


def request_ids_of_responses(port: int, count: int) -> list[str]:
    """Send up to `count` requests on one connection; return the request ids of all complete responses."""
    ids: list[str] = []
    with (
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection,
        suppress(OSError, http.client.HTTPException),
    ):
        for _ in range(count):
            connection.request("GET", ADDRESS)
            response = connection.getresponse()
            response.read()
            ids.append(response.headers["X-Request-ID"])
    return ids


def test_check_deploy_has_no_warning(python: WarmPython, tmp_path: Path) -> None:
    environment = production_environment(tmp_path, INSECURE_HTTP="false")
    completed = python.run("manage.py", "check", "--deploy", "--fail-level", "WARNING", env=environment)
    assert (completed.returncode, completed.stderr) == (0, "")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"HOST": "0.0.0.0"}, "gunicorn: INSECURE_HTTP is 'true', so gunicorn must not listen on 0.0.0.0. Set HOST"),
        (
            {"INSECURE_HTTP": "Perhaps"},
            "gunicorn: INSECURE_HTTP is 'Perhaps'. Allowed: true, yes, on, 1",
        ),
        (
            {"WEB_CONCURRENCY": "0"},
            "gunicorn: WEB_CONCURRENCY is '0'. Allowed: the number of worker",
        ),
        (
            {"LOGGING_OVERRIDES": "/no/such.yaml"},
            "gunicorn: LOGGING_OVERRIDES: /no/such.yaml cannot be read: No such file",
        ),
        ({"LOGGING_LAYERS": "prod"}, "gunicorn: LOGGING_LAYERS has 'prod', which is not a layer of logging.yaml"),
    ],
)
def test_server_exits_with_one_message_if_a_variable_is_wrong(
    python: WarmPython, tmp_path: Path, wrong: dict[str, str], expected: str
) -> None:
    environment = production_environment(tmp_path, PORT=str(free_port())) | wrong
    completed = python.run("-m", "gunicorn", "--config", "settings/gunicorn.py", env=environment)
    assert completed.returncode != 0
    assert completed.stderr.startswith(expected)


@pytest.mark.server
@pytest.mark.slow
class TestRunningServer:
    """Tests that share one running server."""

    def test_start_prints_the_addresses_and_the_log_file(self, production: Production) -> None:
        assert f"http://127.0.0.1:{production.port}/api/v1/\n" in production.stderr
        assert str(production.directory / "log" / "service.jsonl") in production.stderr

    def test_messages_of_gunicorn_are_in_the_log_file(self, production: Production) -> None:
        assert "gunicorn.error" in {line["logger"] for line in production.lines()}

    def test_logging_overrides_apply_to_gunicorn(self, production: Production) -> None:
        assert "Starting gunicorn" in (production.directory / "log" / "sql.jsonl").read_text()

    def test_warning_of_the_master_is_in_the_log_file(self, production: Production) -> None:
        warned = [str(line["event"]) for line in production.lines() if line["logger"] == "py.warnings"]
        assert ["the master warns" in event for event in warned].count(True) == 1

    def test_static_file_names_have_a_hash_and_are_cacheable(
        self, prepared: dict[str, str], production: Production
    ) -> None:
        (hashed,) = Path(prepared["STATIC_ROOT"]).glob("admin/css/login.????????????.css")
        response = get(production.port, f"/static/admin/css/{hashed.name}")
        assert (response.status, response.headers["Cache-Control"]) == (200, "max-age=315360000, public, immutable")

    def test_each_request_of_eight_clients_has_one_access_log_line(self, production: Production) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            ids_of_clients = list(
                pool.map(request_ids_of_responses, [production.port] * CLIENTS, [REQUESTS // CLIENTS] * CLIENTS)
            )
        ids = Counter(request_id for some in ids_of_clients for request_id in some)
        assert ids.total() == len(ids) == REQUESTS
        # An access line follows the last byte of its response.
        wait_for(lambda: len(production.logged_ids()) >= REQUESTS, "an access line of each request")
        assert Counter(production.logged_ids()) == ids


@pytest.mark.server
@pytest.mark.slow
def test_sigterm_loses_no_response_and_no_log_line(prepared: dict[str, str], tmp_path: Path) -> None:
    endless = 100_000
    with (
        serving(prepared | {"LOG_DIR": str(tmp_path / "log")}, tmp_path) as server,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        clients = [pool.submit(request_ids_of_responses, server.port, endless) for _ in range(CLIENTS)]
        wait_for(lambda: len(server.logged_ids()) > CLIENTS, "the first lines")
        server.process.terminate()
        assert server.process.wait(DEADLINE_S) == 0
    ids = [request_id for client in clients for request_id in client.result()]
    assert 0 < len(ids) < CLIENTS * endless
    assert Counter(server.logged_ids()) == Counter(ids)


def test_dockerfile_copies_existing_files_and_runs_as_the_service_user() -> None:
    """Test the text of the Dockerfile, because the tests do not need a container engine."""
    lines = [line.split() for line in (ROOT / "Dockerfile").read_text().splitlines()]
    copied = [name for line in lines if line[:1] == ["COPY"] and "--from" not in line[1] for name in line[1:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    final = lines[max(index for index, line in enumerate(lines) if line[:1] == ["FROM"]) :]
    assert [line[1] for line in final if line[:1] == ["USER"]] == ["service"]
    ignored = (ROOT / ".dockerignore").read_text()
    assert [name for name in copied if f"!{name}\n" not in ignored] == []


def test_procfile_starts_gunicorn_and_migrates() -> None:
    commands = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert commands["web"] == "gunicorn --config settings/gunicorn.py"
    assert "manage.py migrate" in commands["release"]
