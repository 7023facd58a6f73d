"""The syslog handler with a real rsyslogd."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from observability.logs import syslog
from observability.logs.formatters import JsonFormatter
from observability.logs.syslog import SyslogHandler
from tests.observability.log_records import log_record
from tests.observability.logs.processes import run_python
from tests.observability.logs.rsyslog import SyslogServer
from tests.server import manage, own_environment, wait_for

pytestmark = pytest.mark.external("rsyslog")

SCHEMES = ["udp", "tcp", "unix"]
PROCESS = """
import logging, sys
from django.conf import settings
settings.configure()
from observability.logs.formatters import JsonFormatter
from observability.logs.syslog import SyslogHandler
handler = SyslogHandler(sys.argv[1])
handler.setFormatter(JsonFormatter(service_name="vitrine"))
log = logging.getLogger()
log.addHandler(handler)
for number in range(100):
    log.warning("numbered", extra={"number": number})
"""
FORK = """
import os
if child := os.fork():
    os.waitpid(child, 0)
log.warning("numbered", extra={"number": 100 if child else 101})
"""


@contextmanager
def open_handler(address: str) -> Iterator[SyslogHandler]:
    handler = SyslogHandler(address, ident="vitrine")
    handler.setFormatter(JsonFormatter(service_name="vitrine"))
    try:
        yield handler
    finally:
        handler.close()


def write(handler: logging.Handler, event: str = "numbered", *, count: int = 1, **facts: object) -> None:
    """Log records with the numbers 0, 1, 2, …"""
    for number in range(count):
        handler.handle(log_record(event, level=logging.ERROR, number=number, **facts))


def numbers(server: SyslogServer) -> list[int]:
    return [message.fields["number"] for message in server.messages("numbered")]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_message_contains_the_line(tmp_path: Path, scheme: str) -> None:
    server = SyslogServer(tmp_path, scheme)
    with server.running(), open_handler(server.address) as handler:
        write(handler, "book_imported", isbn="978-0-00-000001-0", branch="Łódź 车\nline")
        (message,) = wait_for(server.messages, "a message")
    assert (message.priority, message.program) == ("user.err", "vitrine")
    assert (message.fields["isbn"], message.fields["branch"]) == ("978-0-00-000001-0", "Łódź 车\nline")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_messages_arrive_in_order(tmp_path: Path, scheme: str) -> None:
    server = SyslogServer(tmp_path, scheme)
    with server.running(), open_handler(server.address) as handler:
        write(handler, count=50)
        wait_for(lambda: len(server.messages()) == 50, "50 messages")
    assert numbers(server) == list(range(50))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_long_line_is_truncated_to_the_limit_of_the_server(tmp_path: Path, scheme: str) -> None:
    server = SyslogServer(tmp_path, scheme)
    with server.running(), open_handler(server.address) as handler:
        write(handler, body="ä" * 1_000_000, isbn="978-0-00-000001-0")
        (message,) = wait_for(server.messages, "a message")
    assert (message.fields["truncated"], message.fields["isbn"]) == (["body"], "978-0-00-000001-0")


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_records_wait_for_an_unavailable_server_and_dropped_records_are_counted(
    tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(syslog, "MAX_WAITING", 40)
    server = SyslogServer(tmp_path, scheme)
    with open_handler(server.address) as handler:
        write(handler, "first")
        # At this point the sending thread tries to send the first record. 40 of the others wait.
        problem = f"logging: the syslog server {server.address} cannot be reached"
        wait_for(lambda: problem in capsys.readouterr().err, "a message about the server")
        write(handler, count=100)
        with server.running():
            (lost,) = wait_for(lambda: server.messages("log_records_dropped"), "the count of lost records")
    assert len(server.messages("first")) == 1
    assert numbers(server) == list(range(40))
    assert lost.fields["dropped_count"] == 60
    assert capsys.readouterr().err.endswith(f"{server.address} can be written again; 60 records dropped before.\n")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_records_arrive_after_a_killed_server_is_restarted(tmp_path: Path, scheme: str) -> None:
    server = SyslogServer(tmp_path, scheme)
    with open_handler(server.address) as handler:
        with server.running():
            write(handler, "before")
            wait_for(lambda: server.messages("before"), "a message")
        if scheme != "udp":
            write(handler, "away")
        with server.running():
            write(handler, "after")
            wait_for(lambda: server.messages("after"), "a message of the second run")
    events = [message.fields["event"] for message in server.messages()]
    assert events == (["before", "after"] if scheme == "udp" else ["before", "away", "after"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_records_of_a_short_process_arrive(tmp_path: Path, scheme: str) -> None:
    server = SyslogServer(tmp_path, scheme)
    with server.running():
        completed = run_python("-c", PROCESS, server.address)
        wait_for(lambda: len(server.messages()) >= 100, "100 messages")
    assert (completed.stderr, numbers(server)) == ("", list(range(100)))


def test_parent_and_child_of_a_fork_send_each_record_once(tmp_path: Path) -> None:
    server = SyslogServer(tmp_path, "tcp")
    with server.running():
        completed = run_python("-c", PROCESS + FORK, server.address)
        wait_for(lambda: len(server.messages()) >= 102, "102 messages")
    assert (completed.stderr, sorted(numbers(server))) == ("", list(range(102)))


def test_production_with_the_syslog_layer_sends_its_lines(tmp_path: Path) -> None:
    server = SyslogServer(tmp_path, "tcp")
    variables = {"LOGGING_LAYERS": "production,syslog", "SYSLOG_ADDRESS": server.address}
    environment = own_environment(tmp_path, **variables)
    with server.running():
        manage(environment, "migrate", "--verbosity=0")
        (message,) = wait_for(lambda: server.messages("command"), "the line of a command")
    assert (message.priority, message.program, message.fields["command.name"]) == ("user.info", "probe", "migrate")


def test_closed_handler_sends_later_records(tmp_path: Path) -> None:
    server = SyslogServer(tmp_path, "tcp")
    with server.running(), ExitStack() as stack:
        handler = stack.enter_context(open_handler(server.address))
        write(handler, "before")
        handler.close()
        write(handler, "after")
        wait_for(lambda: server.messages("after"), "a message")
    assert [message.fields["event"] for message in server.messages()] == ["before", "after"]
