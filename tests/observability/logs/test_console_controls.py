"""Text of a request in the terminal: it cannot execute control characters or begin a line."""

import logging
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability import observe
from observability.logs.console import ConsoleFormatter, EscapingFormatter
from observability.logs.formatters import JsonFormatter, encode
from observability.text import escape_controls
from tests.observability.log_records import log_record
from tests.server import ROOT, Server, developing, own_environment, wait_for

TEXTS = st.text(st.characters(exclude_categories=()), max_size=40)
FORGED = "12:00:00.000 [info     ] forged"
HOSTILE = f"\x1b]52;c;eA==\x07\x1b[2J\x9b31m\u202e\u2028\x7f\r\n{FORGED}"


def exception_record(error: BaseException) -> logging.LogRecord:
    try:
        raise error
    except type(error) as raised:
        info = type(raised), raised, raised.__traceback__
    return log_record("failed", level=logging.ERROR, exc_info=info)


def require_safe(shown: str, *, max_lines: int | None = None) -> None:
    """Fail if text has a control character, or a line that begins as the forged one."""
    lines = shown.split("\n")
    assert lines == [escape_controls(line) for line in lines]
    assert not [line for line in lines if line.startswith(FORGED)]
    assert max_lines is None or len(lines) <= max_lines


@given(TEXTS, TEXTS, TEXTS)
def test_event_key_and_value_are_on_one_line(event: str, key: str, value: str) -> None:
    facts = {key: value, f"nested {key}": {key: [value]}}
    require_safe(ConsoleFormatter().format(log_record(event, facts=facts)), max_lines=1)


@given(TEXTS)
def test_access_line_is_on_one_line(path: str) -> None:
    facts = {"http.request.method": path, "url.path": path, "http.response.status_code": 404, "user.id": path}
    require_safe(
        ConsoleFormatter().format(log_record("request", name="observability.access", facts=facts)), max_lines=1
    )


def test_level_name_and_logger_are_on_one_line() -> None:
    record = log_record("event", name=HOSTILE)
    record.levelname = HOSTILE
    require_safe(ConsoleFormatter().format(record), max_lines=1)


class HostileError(Exception):
    """An exception whose text is that of an attacker."""

    def __repr__(self) -> str:
        return HOSTILE


def chained() -> Exception:
    error = ValueError(HOSTILE)
    error.__cause__ = HostileError(HOSTILE)
    error.add_note(HOSTILE)
    error.add_note(FORGED)
    return error


@pytest.mark.parametrize(
    "error",
    [
        ValueError(HOSTILE),
        HostileError(HOSTILE),
        SyntaxError(HOSTILE),
        chained(),
        ExceptionGroup(HOSTILE, [chained(), ExceptionGroup(HOSTILE, [OSError(5, HOSTILE)])]),
    ],
)
def test_lines_of_an_exception_message_are_indented(error: Exception) -> None:
    shown = ConsoleFormatter().format(exception_record(error))
    require_safe(shown)
    assert FORGED in shown


def test_stack_trace_of_another_process_and_stack_are_safe() -> None:
    record = log_record("failed", level=logging.ERROR)
    record.exc_text = HOSTILE
    record.stack_info = HOSTILE.replace("\n", "")
    require_safe(ConsoleFormatter().format(record))


def test_error_of_the_message_is_on_one_line() -> None:
    record = log_record("%d %s")
    record.args = (HOSTILE, HOSTILE)
    require_safe(ConsoleFormatter().format(record), max_lines=1)


def test_note_is_on_one_line() -> None:
    with observe("work") as observation:
        observation.facts[HOSTILE] = HOSTILE
        require_safe(ConsoleFormatter().format(log_record("event")), max_lines=1)


def test_formatter_for_programs_without_keys_is_safe() -> None:
    record = exception_record(ValueError(HOSTILE))
    record.msg = HOSTILE
    require_safe(EscapingFormatter().format(record))


@given(TEXTS)
def test_json_line_has_no_control_character_and_the_same_value(text: str) -> None:
    formatter = JsonFormatter(service_name="probe")
    for _ in range(2):  # The second line takes the fast path.
        line = formatter.format(log_record("event", facts={"text": text}))
        require_safe(line, max_lines=1)
    require_safe(encode({text: text}), max_lines=1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with developing(tmp_path_factory.mktemp("runserver"), TOOLBAR="false") as started:
        yield started


TARGETS = [
    b"/%1b]52;c;eA==%07%1b[2J%0a" + FORGED.replace(" ", "%20").encode(),
    b"/%9b31m%c2%9b2J%e2%80%ae%e2%80%a8%7f%0d",
    b"/\x9b31m\xc2\x9b2J\x1b[2J\x07",
    b"/nothing?\x1b]0;title\x07=%0a",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"\x1b[2J\x9b31m"])
def test_development_server_writes_no_control_character_of_a_request(
    server: Server, method: bytes, target: bytes
) -> None:
    written = Path(server.log_dir).with_name("output")
    before = written.stat().st_size
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        head = b"Host: 127.0.0.1\r\nUser-Agent: \x1b[2J\x9b"
        connection.sendall(method + b" " + target + b" HTTP/1.0\r\n" + head + b"\r\n\r\n")
        while connection.recv(65_536):
            pass
    server.get("/livez")
    mark = f"/mark-{before}"
    server.get(mark)
    wait_for(lambda: mark in written.read_bytes()[before:].decode("utf-8", "replace"), "the line of the mark")
    require_safe(written.read_bytes()[before:].decode("utf-8"))


COMMANDS = {
    "a stack trace": "raise ValueError(HOSTILE)",
    "a command error": "raise CommandError(HOSTILE)",
    "a result": "self.stdout.write(HOSTILE)",
    "print": "print(HOSTILE)",
    "a warning": "warnings.warn(HOSTILE)",
}


@pytest.mark.parametrize("statement", COMMANDS.values(), ids=COMMANDS.keys())
def test_command_of_the_project_writes_no_control_character_to_a_terminal(tmp_path: Path, statement: str) -> None:
    commands = tmp_path / "hostile" / "management" / "commands"
    commands.mkdir(parents=True)
    (commands / "hostile.py").write_text(
        "import warnings\n"
        "from django.core.management.base import BaseCommand, CommandError\n"
        f"HOSTILE = {HOSTILE.partition(chr(10))[0]!r}\n"
        "class Command(BaseCommand):\n"
        "    requires_system_checks = ()\n"
        "    def handle(self, **options):\n"
        f"        {statement}\n"
    )
    (tmp_path / "hostile_settings.py").write_text(
        "from tests.probe.settings.development import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'hostile']\n"
    )
    environment = own_environment(tmp_path, DJANGO_SETTINGS_MODULE="hostile_settings", PYTHONPATH=str(tmp_path))
    shown = run_in_terminal([sys.executable, "manage.py", "hostile"], environment)
    assert "52;c;eA==" in shown
    plain = shown.replace("\r\n", "\n")
    # Colors are allowed: those of Django, of the console and of Python 3.13.
    for code in ("0", "1", "2", "31", "35", "36", "32", "33", "31;1", "1;31", "1;35", "22", ""):
        plain = plain.replace(f"\x1b[{code}m", "")
    require_safe(plain)


def run_in_terminal(command: list[str], environment: dict[str, str]) -> str:
    """Run a command in a pseudo-terminal and return what the terminal gets."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    chunks = []
    try:
        while chunk := os.read(master, 65_536):
            chunks.append(chunk)
    except OSError:
        # Linux reports the end of the terminal as an error.
        pass
    finally:
        os.close(master)
    process.wait(20)
    return b"".join(chunks).decode()
