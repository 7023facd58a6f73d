"""Sending one envelope."""

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from observability.sentry.delivery.server import Outcome, Server, add_sent_at
from tests.observability.sentry.delivery.spooling import AWAY, envelope_bytes
from tests.sentry_sink import Sink, sentry_sink
from tests.server import ROOT

# Prints the modules that the first event loads, with a server that answers and with one that does not exist.
SENDING = """
import sys
from observability.sentry.delivery.server import Server
servers = [Server(dsn) for dsn in sys.argv[1:]]
before = set(sys.modules)
print(*(server.post(b'{"event_id": "1"}\\n{"type": "event", "length": 2}\\n{}\\n').outcome.name for server in servers))
print(*sorted(set(sys.modules) - before))
"""


def test_envelope_says_when_it_was_sent_and_is_else_as_it_was(listening: Sink) -> None:
    written = envelope_bytes()
    Server(listening.dsn).post(written)
    (arrived,) = listening.envelopes
    header, _, rest = arrived.partition(b"\n")
    sent_at = datetime.fromisoformat(json.loads(header)["sent_at"])
    assert timedelta(0) <= datetime.now(UTC) - sent_at < timedelta(minutes=1)
    assert rest == written.partition(b"\n")[2]


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (200, Outcome.ACCEPTED, "200 OK"),
        (400, Outcome.REJECTED, "400 Bad Request"),
        (413, Outcome.REJECTED, "413 "),
        (499, Outcome.REJECTED, "499"),
        (401, Outcome.RETRY, "401 Unauthorized"),
        (403, Outcome.RETRY, "403 Forbidden"),
        (404, Outcome.RETRY, "404 Not Found"),
        (408, Outcome.RETRY, "408 Request Timeout"),
        (429, Outcome.RETRY, "429 Too Many Requests"),
        (503, Outcome.RETRY, "503 Service Unavailable"),
    ],
)
def test_answer_is_what_the_server_said(listening: Sink, status: int, outcome: Outcome, reason: str) -> None:
    listening.status = status
    answer = Server(listening.dsn).post(envelope_bytes())
    assert answer.outcome is outcome
    assert answer.reason.startswith(reason)


@pytest.mark.parametrize(
    ("dsn", "reason"),
    [
        (AWAY, "connection refused"),
        ("http://key@nowhere.invalid/1", "the host name cannot be resolved"),
        ("https://key@127.0.0.1:{port}/1", "SSLError"),
    ],
)
def test_reason_of_a_server_that_cannot_be_reached_is_in_words(listening: Sink, dsn: str, reason: str) -> None:
    answer = Server(dsn.format(port=listening.port)).post(envelope_bytes())
    assert answer.outcome is Outcome.RETRY
    assert answer.reason.startswith(reason)


def test_limits_come_with_an_answer_of_any_status(listening: Sink) -> None:
    listening.headers = {"x-sentry-rate-limits": "60:transaction:key"}
    assert Server(listening.dsn).post(envelope_bytes()).rate_limits == {"transaction": 60}


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"[]\n{}", b'{"event_id": "1"}', b'{"event_id": "1"}\n', b"\xff\n{}"]
)
def test_invalid_envelope_is_not_sent(listening: Sink, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        add_sent_at(content)
    assert Server(listening.dsn).post(content).outcome is Outcome.REJECTED
    assert listening.attempts == []


@pytest.mark.parametrize("status", [301, 307, 308])
def test_redirect_is_followed(listening: Sink, status: int) -> None:
    with sentry_sink() as other:
        listening.status = status
        listening.headers = {"Location": f"http://127.0.0.1:{other.port}/api/1/envelope/"}
        assert Server(listening.dsn).post(envelope_bytes()).outcome is Outcome.ACCEPTED
    assert len(other.events) == 1


def test_server_that_accepts_no_connection_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observability.sentry.delivery.server.CONNECT_TIMEOUT_S", 0.1)
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        # The queue has room for one connection, and nobody takes it out.
        listener.listen(0)
        first.connect(listener.getsockname())
        answer = Server(f"http://key@127.0.0.1:{listener.getsockname()[1]}/1").post(envelope_bytes())
    assert (answer.outcome, answer.reason) == (Outcome.RETRY, "no connection within 0.1 s")


def test_sending_imports_nothing(listening: Sink) -> None:
    """A child that is forked while another thread imports a module keeps half of that module."""
    command = [sys.executable, "-c", SENDING, listening.dsn, "http://key@nowhere.invalid/1"]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert completed.stdout == "ACCEPTED RETRY\n\n"
