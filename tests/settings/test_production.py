"""The service under the production settings, served as `bin/run --production` does."""

import http.client
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.server import DEADLINE_S, ROOT, access_lines, free_port, production_environment, wait_for

WARNING_MASTER = """
import warnings
from settings import gunicorn
from settings.gunicorn import *

def on_starting(server):
    gunicorn.on_starting(server)
    warnings.warn("the master warns")
"""
CLIENTS = 8
REQUESTS = 2_000


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def answers(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
    except OSError:
        return False


@contextmanager
def serving(
    environment: dict[str, str], configuration: str = "settings/gunicorn.py"
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Serve by gunicorn with the configuration of the repository, or one over it, and its port.

    Its processes answer before the block begins: gunicorn tells one that it has just forked to end, and is not heard.
    """
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", configuration],
        cwd=ROOT,
        env={"WEB_CONCURRENCY": "1"} | environment | {"PORT": str(port)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: answers(port) or process.poll() is not None, "gunicorn")
        yield process, port
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def service_lines(directory: Path) -> list[dict[str, object]]:
    """Every whole line of the log by now; each has to be JSON."""
    written = (directory / "log" / "service.jsonl").read_text()
    return [json.loads(line) for line in written[: written.rfind("\n") + 1].splitlines()]


def answered_ids(port: int, count: int) -> list[str]:
    """Ask so often on one connection; the request ids of the answers that came whole, until the server goes away."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    ids: list[str] = []
    try:
        for _ in range(count):
            connection.request("GET", "/api/v1/trucks/")
            response = connection.getresponse()
            response.read()
            ids.append(response.headers["X-Request-ID"])
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    return ids


def test_deploy_check_has_no_warning(tmp_path: Path) -> None:
    completed = manage(
        production_environment(tmp_path, INSECURE_HTTP="false"), "check", "--deploy", "--fail-level", "WARNING"
    )
    assert (completed.returncode, completed.stderr) == (0, "")


def test_every_request_of_eight_clients_has_one_line(tmp_path: Path) -> None:
    environment = production_environment(tmp_path, WEB_CONCURRENCY="2")
    assert manage(environment, "migrate", "--verbosity=0").returncode == 0
    with serving(environment) as (_, port), ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(answered_ids, [port] * CLIENTS, [REQUESTS // CLIENTS] * CLIENTS))
    ids = Counter(request_id for some in answers for request_id in some)
    assert ids.total() == len(ids) == REQUESTS
    assert Counter(line["request_id"] for line in access_lines(service_lines(tmp_path))) == ids


def test_sigterm_loses_no_answer_and_no_line(tmp_path: Path) -> None:
    environment = production_environment(tmp_path, WEB_CONCURRENCY="2")
    assert manage(environment, "migrate", "--verbosity=0").returncode == 0
    with serving(environment) as (process, port), ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(answered_ids, port, REQUESTS) for _ in range(CLIENTS)]
        wait_for(lambda: len(access_lines(service_lines(tmp_path))) > CLIENTS, "the first lines")
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    ids = {request_id for client in clients for request_id in client.result()}
    assert 0 < len(ids) < CLIENTS * REQUESTS
    assert {line["request_id"] for line in access_lines(service_lines(tmp_path))} == ids


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
        ({"LOGGING_LAYERS": "prod"}, "gunicorn: LOGGING_LAYERS names 'prod': logging.yaml has the layers"),
    ],
)
def test_server_refuses_to_start_with_a_sentence(tmp_path: Path, wrong: dict[str, str], expected: str) -> None:
    command = [sys.executable, "-m", "gunicorn", "--config", "settings/gunicorn.py"]
    environment = production_environment(tmp_path, PORT=str(free_port())) | wrong
    completed = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE_S
    )
    assert completed.returncode != 0
    assert completed.stderr.startswith(expected)


def test_start_says_where_things_are(tmp_path: Path) -> None:
    with serving(production_environment(tmp_path)) as (process, port):
        assert process.stderr is not None
        shown = "".join(process.stderr.readline() for _ in range(9))
    assert f"http://127.0.0.1:{port}/api/v1/trucks/" in shown
    assert str(tmp_path / "log" / "service.jsonl") in shown


def test_messages_of_gunicorn_are_lines_like_all_others(tmp_path: Path) -> None:
    with serving(production_environment(tmp_path)):
        pass
    assert "gunicorn.error" in {line["logger"] for line in service_lines(tmp_path)}


def test_overrides_hold_for_gunicorn_too(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("loggers:\n  gunicorn.error: {handlers: [sql]}\n")
    with serving(production_environment(tmp_path, LOGGING_OVERRIDES=str(tmp_path / "more.yaml"))):
        pass
    assert "Starting gunicorn" in (tmp_path / "log" / "sql.jsonl").read_text()


def test_warning_of_the_master_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "configuration.py").write_text(WARNING_MASTER)
    with serving(production_environment(tmp_path, PYTHONPATH=str(ROOT)), str(tmp_path / "configuration.py")):
        pass
    warned = [str(line["event"]) for line in service_lines(tmp_path) if line["logger"] == "py.warnings"]
    assert ["the master warns" in event for event in warned].count(True) == 1


def test_static_files_have_names_of_their_content(tmp_path: Path) -> None:
    environment = production_environment(tmp_path)
    manage(environment, "migrate", "--verbosity=0")
    assert manage(environment, "collectstatic", "--noinput", "--verbosity=0").returncode == 0
    (hashed,) = (tmp_path / "static" / "admin" / "css").glob("login.????????????.css")
    with serving(environment) as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        connection.request("GET", f"/static/admin/css/{hashed.name}")
        response = connection.getresponse()
        response.read()
        connection.close()
    assert (response.status, response.headers["Cache-Control"]) == (200, "max-age=315360000, public, immutable")


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
