"""manage.py runserver"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

from tests.databases import name_in
from tests.server import DEADLINE_S, ROOT, free_port, is_listening, wait_for
from tests.service.management.commands.conftest import Manage


def described(url: str) -> str:
    """What the banner says of a database."""
    if connection.vendor == "sqlite":
        return f"SQLite, {url.removeprefix('sqlite:///')}"
    return f"{connection.display_name}, {name_in(url)} at {connection.settings_dict['HOST'] or 'localhost'}"


@contextmanager
def running(machine: dict[str, str], directory: Path, port: int) -> Iterator[Path]:
    """The server with its reloader, as a person starts it; the file that its stdout goes to."""
    output, errors = directory / "stdout", directory / "stderr"
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        command = [sys.executable, "manage.py", "runserver", f"127.0.0.1:{port}"]
        process = subprocess.Popen(command, cwd=ROOT, env=machine, stdout=stdout, stderr=stderr, start_new_session=True)
        try:
            wait_for(lambda: is_listening(port) or process.poll() is not None, f"a server on port {port}")
            yield output
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE_S)
    assert errors.read_bytes() == b""


def test_start_prints_where_things_are_and_nothing_else(
    machine: dict[str, str], manage: Manage, tmp_path: Path
) -> None:
    manage("migrate", "--verbosity=0")
    port = free_port()
    with running(machine, tmp_path, port) as output:
        wait_for(lambda: "Ctrl-C" in output.read_text(), "the end of the banner")
    assert output.read_text().splitlines() == [
        "",
        f"  {settings.SERVICE_NAME.capitalize()} · development · {described(machine['DATABASE_URL'])}",
        "",
        f"  API     http://127.0.0.1:{port}/api/v1/trucks/",
        f"  Calls   http://127.0.0.1:{port}/__debug__/requests/",
        f"  Admin   http://127.0.0.1:{port}/admin/   login admin, password admin",
        f"  Logs    {machine['LOG_DIR']}/service.jsonl",
        "",
        "  Ctrl-C stops it.",
    ]


def test_busy_port_is_one_sentence(machine: dict[str, str], manage: Manage, tmp_path: Path) -> None:
    manage("migrate", "--verbosity=0")
    port = free_port()
    with running(machine, tmp_path, port):
        second = manage("runserver", f"127.0.0.1:{port}", "--noreload")
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == (
        f"Error: Port {port} is in use: stop what listens there, or take another (`manage.py runserver {port + 1}`).\n"
    )
