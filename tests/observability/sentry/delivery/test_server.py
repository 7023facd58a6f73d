"""The client of the Sentry server, with one envelope."""

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from observability.sentry.delivery.server import Outcome, Server, add_sent_at
from tests.observability.sentry.delivery.spooling import UNREACHABLE_DSN, envelope_bytes
from tests.sentry_sink import Sink, sentry_sink
from tests.server import ROOT

# Print the modules that sending imports, with a server that answers and with a server that does not exist.
SENDING = """
import sys
from observability.sentry.delivery.server import Server
servers = [Server(dsn) for dsn in sys.argv[1:]]
before = set(sys.modules)
print(*(server.post(b'{"event_id": "1"}\\n{"type": "event", "length": 2}\\n{}\\n').outcome.name for server in servers))
print(*sorted(set(sys.modules) - before))
"""


def test_only_sent_at_of_the_envelope_is_changed(sink: Sink) -> None:
    written = envelope_bytes()
    Server(sink.dsn).post(written)
    (arrived,) = sink.envelopes
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
def test_answer_has_the_outcome_and_reason_of_the_status(
    sink: Sink, status: int, outcome: Outcome, reason: str
) -> None:
    sink.status = status
    answer = Server(sink.dsn).post(envelope_bytes())
    assert answer.outcome is outcome
    assert answer.reason.startswith(reason)


@pytest.mark.parametrize(
    ("dsn", "reason"),
    [
        (UNREACHABLE_DSN, "connection refused"),
        ("http://key@nowhere.invalid/1", "the host name cannot be resolved"),
        ("https://key@127.0.0.1:{port}/1", "SSLError"),
    ],
)
def test_unreachable_server_has_a_readable_reason(sink: Sink, dsn: str, reason: str) -> None:
    answer = Server(dsn.format(port=sink.port)).post(envelope_bytes())
    assert answer.outcome is Outcome.RETRY
    assert answer.reason.startswith(reason)


def test_rate_limits_are_read_from_any_response(sink: Sink) -> None:
    sink.headers = {"x-sentry-rate-limits": "60:transaction:key"}
    assert Server(sink.dsn).post(envelope_bytes()).rate_limits == {"transaction": 60}


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"[]\n{}", b'{"event_id": "1"}', b'{"event_id": "1"}\n', b"\xff\n{}"]
)
def test_invalid_envelope_is_not_sent(sink: Sink, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        add_sent_at(content)
    assert Server(sink.dsn).post(content).outcome is Outcome.REJECTED
    assert sink.attempts == []


@pytest.mark.parametrize("status", [301, 307, 308])
def test_redirect_is_followed(sink: Sink, status: int) -> None:
    with sentry_sink() as other:
        sink.status = status
        sink.headers = {"Location": f"http://127.0.0.1:{other.port}/api/1/envelope/"}
        assert Server(sink.dsn).post(envelope_bytes()).outcome is Outcome.ACCEPTED
    assert len(other.events) == 1


def test_connection_timeout_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observability.sentry.delivery.server.CONNECT_TIMEOUT_S", 0.1)
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        # The queue of the listener has space for one connection, which is never accepted.
        listener.listen(0)
        first.connect(listener.getsockname())
        answer = Server(f"http://key@127.0.0.1:{listener.getsockname()[1]}/1").post(envelope_bytes())
    assert (answer.outcome, answer.reason) == (Outcome.RETRY, "no connection within 0.1 s")


def test_sending_does_not_import_modules(sink: Sink) -> None:
    """A child that is forked while another thread imports a module gets an incomplete module."""
    command = [sys.executable, "-c", SENDING, sink.dsn, "http://key@nowhere.invalid/1"]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert completed.stdout == "ACCEPTED RETRY\n\n"
