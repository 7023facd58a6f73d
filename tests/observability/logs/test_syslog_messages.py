"""Messages of the syslog handler, read from sockets. `test_syslog.py` uses a real server."""

import json
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from observability.logs import syslog
from observability.logs.formatters import JsonFormatter
from observability.logs.syslog import SyslogHandler
from tests.observability.log_records import log_record
from tests.observability.logs.processes import run_python
from tests.server import DEADLINE_S, free_port, wait_for

RFC_5424 = re.compile(rb"<14>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ probe \d+ - - (\{.*\})", re.DOTALL)
SYSLOG_3 = re.compile(rb"<14>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d probe\[\d+\]: (\{.*\})", re.DOTALL)
ENDING = """
import logging, sys
from observability.logs.syslog import SyslogHandler
log = logging.getLogger()
log.addHandler(SyslogHandler(sys.argv[1]))
for number in range(100):
    log.warning("numbered")
"""
FORKING = """
import logging, os, sys
from observability.logs.syslog import SyslogHandler
log = logging.getLogger()
log.addHandler(SyslogHandler(sys.argv[1]))
log.warning("before")
if child := os.fork():
    os.waitpid(child, 0)
log.warning("parent" if child else "child")
"""


@contextmanager
def open_handler(address: str, *, max_bytes: int = syslog.MAX_MESSAGE_BYTES) -> Iterator[SyslogHandler]:
    handler = SyslogHandler(address, ident="probe", maxMessageBytes=max_bytes)
    handler.setFormatter(JsonFormatter(service_name="probe"))
    try:
        yield handler
    finally:
        handler.close()


@contextmanager
def bound(scheme: str, directory: Path) -> Iterator[tuple[socket.socket, str]]:
    """Return a socket that receives datagrams, and its address for the handler."""
    with socket.socket(socket.AF_UNIX if scheme == "unix" else socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(DEADLINE_S)
        receiver.bind(str(directory / "socket") if scheme == "unix" else ("127.0.0.1", 0))
        name = receiver.getsockname()
        yield receiver, f"unix:{name}" if scheme == "unix" else f"udp://127.0.0.1:{name[1]}"


def listening(port: int = 0) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(DEADLINE_S)
    return listener


def frame(connection: socket.socket) -> bytes:
    """Read one message after its length."""
    connection.settimeout(DEADLINE_S)
    length = b""
    while not length.endswith(b" "):
        length += connection.recv(1)
    message = b""
    while len(message) < int(length):
        message += connection.recv(int(length) - len(message))
    return message


def event(message: bytes, head: re.Pattern[bytes] = RFC_5424) -> str:
    found = head.fullmatch(message)
    assert found is not None, message
    return str(json.loads(found[1])["event"])


@pytest.mark.parametrize(("scheme", "head"), [("udp", RFC_5424), ("unix", SYSLOG_3)])
def test_datagram_contains_one_message(tmp_path: Path, scheme: str, head: re.Pattern[bytes]) -> None:
    with bound(scheme, tmp_path) as (receiver, address), open_handler(address) as handler:
        handler.handle(log_record("two\nlines"))
        assert event(receiver.recv(65_536), head) == "two\nlines"


def test_each_message_on_a_connection_has_its_length_first(tmp_path: Path) -> None:
    with listening() as listener, open_handler(f"tcp://127.0.0.1:{listener.getsockname()[1]}") as handler:
        for name in ("first", "Łódź", "last"):
            handler.handle(log_record(name))
        with closing(listener.accept()[0]) as connection:
            assert [event(frame(connection)) for _ in range(3)] == ["first", "Łódź", "last"]


def test_connection_closed_by_the_server_is_opened_again_without_loss() -> None:
    with listening() as listener, open_handler(f"tcp://127.0.0.1:{listener.getsockname()[1]}") as handler:
        for name in ("first", "second"):
            handler.handle(log_record(name))
            with closing(listener.accept()[0]) as connection:
                assert event(frame(connection)) == name


def test_records_wait_for_an_unavailable_server(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with open_handler(f"tcp://127.0.0.1:{port}") as handler:
        for number in range(3):
            handler.handle(log_record(f"record {number}"))
        wait_for(lambda: "cannot be reached" in capsys.readouterr().err, "a message about the server")
        with listening(port) as listener, closing(listener.accept()[0]) as connection:
            assert [event(frame(connection)) for _ in range(3)] == ["record 0", "record 1", "record 2"]


def test_records_over_the_waiting_limit_are_counted_as_dropped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record with the count is sent even if the queue is full when the server is available again."""
    monkeypatch.setattr(syslog, "MAX_WAITING", 2)
    port = free_port()
    with open_handler(f"tcp://127.0.0.1:{port}") as handler:
        handler.handle(log_record("record 0"))
        # At this point the sending thread tries to send the first record.
        wait_for(lambda: "cannot be reached" in capsys.readouterr().err, "a message about the server")
        for number in range(1, 10):
            handler.handle(log_record(f"record {number}"))
        with listening(port) as listener, closing(listener.accept()[0]) as connection:
            assert [event(frame(connection)) for _ in range(3)] == ["record 0", "record 1", "record 2"]
            lost = json.loads(frame(connection).partition(b" - - ")[2])
    assert (lost["event"], lost["dropped_count"]) == ("log_records_dropped", 7)


def test_message_too_long_for_a_datagram_is_counted_as_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with bound("udp", tmp_path) as (receiver, address), open_handler(address, max_bytes=1_000_000) as handler:
        handler.handle(log_record("x" * 100_000))
        handler.handle(log_record("short"))
        assert [event(receiver.recv(65_536)) for _ in range(1)] == ["short"]
        lost = json.loads(receiver.recv(65_536).partition(b" - - ")[2])
    assert (lost["event"], lost["dropped_count"]) == ("log_records_dropped", 1)
    assert "Message too long; 1 record dropped so far." in capsys.readouterr().err


def test_message_over_the_maximum_length_is_truncated(tmp_path: Path) -> None:
    with bound("udp", tmp_path) as (receiver, address), open_handler(address, max_bytes=4_096) as handler:
        handler.handle(log_record(body="ä" * 100_000, isbn="978-0-00-000001-0"))
        message = receiver.recv(65_536)
    fields = json.loads(message.partition(b" - - ")[2])
    assert len(message) <= 4_096
    assert (fields["truncated"], fields["isbn"]) == (["body"], "978-0-00-000001-0")


@pytest.mark.parametrize(("level", "severity"), [(logging.DEBUG, 7), (logging.WARNING, 4), (logging.CRITICAL, 2)])
def test_severity_corresponds_to_the_level(tmp_path: Path, level: int, severity: int) -> None:
    with bound("udp", tmp_path) as (receiver, address), open_handler(address) as handler:
        handler.handle(log_record(level=level))
        assert receiver.recv(65_536).startswith(b"<%d>" % (8 + severity))


def test_parent_and_child_of_a_fork_send_each_record_once(tmp_path: Path) -> None:
    with bound("udp", tmp_path) as (receiver, address):
        completed = run_python("-c", FORKING, address)
        messages = [receiver.recv(65_536).rpartition(b" ")[2].decode() for _ in range(3)]
        receiver.settimeout(0)
        with pytest.raises(BlockingIOError):
            receiver.recv(65_536)
    assert (completed.stderr, sorted(messages)) == ("", ["before", "child", "parent"])


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_process_reports_unsent_records_when_it_ends(tmp_path: Path, scheme: str) -> None:
    address = f"unix:{tmp_path / 'socket'}" if scheme == "unix" else f"tcp://127.0.0.1:{free_port()}"
    completed = run_python("-c", ENDING, address)
    assert completed.returncode == 0
    assert completed.stderr.splitlines()[-1] == f"logging: the syslog server {address} was closed; 100 records dropped."
