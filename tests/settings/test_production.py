"""The service under the production settings, served as `bin/run --production` does."""

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

# Over the configuration of the repository.
WARNING_MASTER = """
import warnings
from settings import gunicorn
from settings.gunicorn import *

def on_starting(server):
    gunicorn.on_starting(server)
    warnings.warn("the master warns")
"""
OVERRIDES = "loggers:\n  gunicorn.error: {handlers: [sql]}\n"
# A part of the files is enough, and quickly compressed.
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
    """Send one request; the body of the response is read."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response


def answers(port: int) -> bool:
    try:
        return get(port, "/livez").status == 200
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Production:
    """A gunicorn under the production settings, which keeps everything in a directory."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path

    @property
    def shown(self) -> str:
        """What it wrote on stderr by now."""
        return (self.directory / "stderr").read_text()

    def lines(self) -> list[dict[str, object]]:
        """Return every whole line of the log by now; each has to be JSON."""
        written = (self.directory / "log" / "service.jsonl").read_text()
        return [json.loads(line) for line in written[: written.rfind("\n") + 1].splitlines()]

    def logged_ids(self) -> list[object]:
        return [line["request_id"] for line in access_lines(self.lines()) if line["url.path"] == ADDRESS]


@contextmanager
def serving(environment: dict[str, str], directory: Path) -> Iterator[Production]:
    """Serve by gunicorn with two processes until the block ends.

    A process answers before the block begins: gunicorn tells one that it has just forked to end, and is not heard.
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
        wait_for(lambda: answers(port) or process.poll() is not None, "gunicorn")
        yield Production(process, port, directory)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, python: WarmPython) -> dict[str, str]:
    """The environment of a production with its tables and static files."""
    environment = production_environment(tmp_path_factory.mktemp("production"))
    for arguments in (("migrate", "--verbosity=0"), COLLECTSTATIC):
        completed = python.run("manage.py", *arguments, env=environment)
        assert completed.returncode == 0, completed.stderr
    return environment


@pytest.fixture(scope="module")
def production(prepared: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """A server that the tests share, none of which ends it."""
    directory = tmp_path_factory.mktemp("server")
    with serving(prepared | {"LOG_DIR": str(directory / "log")}, directory) as server:
        yield server


def answered_ids(port: int, count: int) -> list[str]:
    """Send as many requests on one connection; the request ids of those answered whole, until the server goes away."""
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


def test_deploy_check_has_no_warning(python: WarmPython, tmp_path: Path) -> None:
    environment = production_environment(tmp_path, INSECURE_HTTP="false")
    completed = python.run("manage.py", "check", "--deploy", "--fail-level", "WARNING", env=environment)
    assert (completed.returncode, completed.stderr) == (0, "")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"HOST": "0.0.0.0"}, "gunicorn: INSECURE_HTTP is 'true' and it would listen on 0.0.0.0: only with HOST"),
        ({"INSECURE_HTTP": "perhaps"}, "gunicorn: INSECURE_HTTP is 'perhaps': one of true, yes, on, 1"),
        ({"WEB_CONCURRENCY": "0"}, "gunicorn: WEB_CONCURRENCY is '0': the number of processes, from 1"),
        (
            {"LOGGING_OVERRIDES": "/no/such.yaml"},
            "gunicorn: LOGGING_OVERRIDES: /no/such.yaml cannot be read: No such file",
        ),
        ({"LOGGING_LAYERS": "prod"}, "gunicorn: LOGGING_LAYERS has 'prod', which is not a layer of logging.yaml"),
    ],
)
def test_server_refuses_to_start_with_a_sentence(
    python: WarmPython, tmp_path: Path, wrong: dict[str, str], expected: str
) -> None:
    environment = production_environment(tmp_path, PORT=str(free_port())) | wrong
    completed = python.run("-m", "gunicorn", "--config", "settings/gunicorn.py", env=environment)
    assert completed.returncode != 0
    assert completed.stderr.startswith(expected)


@pytest.mark.server
@pytest.mark.slow
class TestRunningServer:
    """The server is one for all of them."""

    def test_start_says_where_things_are(self, production: Production) -> None:
        assert f"http://127.0.0.1:{production.port}/api/v1/\n" in production.shown
        assert str(production.directory / "log" / "service.jsonl") in production.shown

    def test_messages_of_gunicorn_are_lines_like_all_others(self, production: Production) -> None:
        assert "gunicorn.error" in {line["logger"] for line in production.lines()}

    def test_overrides_hold_for_gunicorn_too(self, production: Production) -> None:
        assert "Starting gunicorn" in (production.directory / "log" / "sql.jsonl").read_text()

    def test_warning_of_the_master_is_a_line(self, production: Production) -> None:
        warned = [str(line["event"]) for line in production.lines() if line["logger"] == "py.warnings"]
        assert ["the master warns" in event for event in warned].count(True) == 1

    def test_static_files_have_names_of_their_content(self, prepared: dict[str, str], production: Production) -> None:
        (hashed,) = Path(prepared["STATIC_ROOT"]).glob("admin/css/login.????????????.css")
        response = get(production.port, f"/static/admin/css/{hashed.name}")
        assert (response.status, response.headers["Cache-Control"]) == (200, "max-age=315360000, public, immutable")

    def test_every_request_of_eight_clients_has_one_line(self, production: Production) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(answered_ids, [production.port] * CLIENTS, [REQUESTS // CLIENTS] * CLIENTS))
        ids = Counter(request_id for some in answers for request_id in some)
        assert ids.total() == len(ids) == REQUESTS
        # An access line follows the last byte of its response.
        wait_for(lambda: len(production.logged_ids()) >= REQUESTS, "an access line of each request")
        assert Counter(production.logged_ids()) == ids


@pytest.mark.server
@pytest.mark.slow
def test_sigterm_loses_no_answer_and_no_line(prepared: dict[str, str], tmp_path: Path) -> None:
    endless = 100_000
    with (
        serving(prepared | {"LOG_DIR": str(tmp_path / "log")}, tmp_path) as server,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        clients = [pool.submit(answered_ids, server.port, endless) for _ in range(CLIENTS)]
        wait_for(lambda: len(server.logged_ids()) > CLIENTS, "the first lines")
        server.process.terminate()
        assert server.process.wait(DEADLINE_S) == 0
    ids = [request_id for client in clients for request_id in client.result()]
    assert 0 < len(ids) < CLIENTS * endless
    assert Counter(server.logged_ids()) == Counter(ids)


def test_container_copies_what_is_there_and_runs_without_rights() -> None:
    """What can be known of the Dockerfile without an engine."""
    lines = [line.split() for line in (ROOT / "Dockerfile").read_text().splitlines()]
    copied = [name for line in lines if line[:1] == ["COPY"] and "--from" not in line[1] for name in line[1:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    final = lines[max(index for index, line in enumerate(lines) if line[:1] == ["FROM"]) :]
    assert [line[1] for line in final if line[:1] == ["USER"]] == ["service"]
    ignored = (ROOT / ".dockerignore").read_text()
    assert [name for name in copied if f"!{name}\n" not in ignored] == []


def test_procfile_names_commands_that_are_there() -> None:
    commands = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert commands["web"] == "gunicorn --config settings/gunicorn.py"
    assert "manage.py migrate" in commands["release"]
