"""manage.py runserver"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection

from tests.databases import name_in
from tests.server import DEADLINE_S, ROOT, free_port, is_listening, wait_for
from tests.serving.conftest import Manage

pytestmark = [pytest.mark.server, pytest.mark.slow]


def described(url: str) -> str:
    """What the banner says of a database."""
    if connection.vendor == "sqlite":
        return f"SQLite, {url.removeprefix('sqlite:///')}"
    return f"{connection.display_name}, {name_in(url)} at {connection.settings_dict['HOST'] or 'localhost'}"


@dataclass(frozen=True, slots=True)
class Running:
    """A server with its reloader, as a person starts it; `output` is the file that its stdout goes to."""

    port: int
    output: Path


@pytest.fixture(scope="module")
def running(machine: dict[str, str], manage: Manage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The server of both tests; it must end without a word on stderr."""
    manage("migrate", "--verbosity=0")
    directory = tmp_path_factory.mktemp("runserver")
    output, errors, port = directory / "stdout", directory / "stderr", free_port()
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        command = [sys.executable, "manage.py", "runserver", f"127.0.0.1:{port}"]
        process = subprocess.Popen(command, cwd=ROOT, env=machine, stdout=stdout, stderr=stderr, start_new_session=True)
        try:
            wait_for(lambda: is_listening(port) or process.poll() is not None, f"a server on port {port}")
            yield Running(port, output)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE_S)
    assert errors.read_bytes() == b""


def test_start_prints_where_things_are_and_nothing_else(machine: dict[str, str], running: Running) -> None:
    wait_for(lambda: "Ctrl-C" in running.output.read_text(), "the end of the banner")
    origin = f"http://127.0.0.1:{running.port}"
    assert running.output.read_text().splitlines() == [
        "",
        f"  Vitrine · development · {described(machine['DATABASE_URL'])}",
        "",
        f"  API     {origin}/api/v1/",
        f"  Calls   {origin}/__debug__/requests/",
        f"  Admin   {origin}/admin/   login admin, password admin",
        f"  Logs    {machine['LOG_DIR']}/service.jsonl",
        "",
        "  Ctrl-C stops it.",
    ]


def test_busy_port_is_one_sentence(manage: Manage, running: Running) -> None:
    second = manage("runserver", f"127.0.0.1:{running.port}", "--noreload")
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == (
        f"Error: Port {running.port} is in use: stop what listens there, or take another "
        f"(`manage.py runserver {running.port + 1}`).\n"
    )
