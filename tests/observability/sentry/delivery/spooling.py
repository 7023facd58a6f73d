"""Helpers for tests of the spool: short delays, envelopes, and processes that report failures."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentry_sdk.envelope import Envelope

from observability.sentry.delivery.backoff import Backoff, read_last_failure
from observability.sentry.delivery.transport import SpoolTransport
from tests.server import ROOT, wait_for

# Nothing listens on this port.
UNREACHABLE_DSN = "http://key@127.0.0.1:9/1"
QUICK = Backoff(first_delay_s=0.02, max_delay_s=0.1, scan_interval_s=0.1, gather_s=0.0, start_delay_s=0.0)
MAX_REQUEST_BYTES = 10_000


def dsn_of(port: int) -> str:
    """Return the DSN of a sink on this port."""
    return f"http://key@127.0.0.1:{port}/1"


def envelope(text: str = "failure", *, kind: str = "event") -> Envelope:
    """Return an envelope as the SDK creates it."""
    created = Envelope(headers={"event_id": uuid.uuid4().hex, "sent_at": "2000-01-01T00:00:00Z"})
    facts = {"event_id": created.headers["event_id"], "message": text}
    if kind == "event":
        created.add_event({"event_id": facts["event_id"], "message": text})
    else:
        created.add_transaction({"event_id": facts["event_id"], "transaction": text, "type": "transaction"})
    return created


def envelope_bytes(text: str = "failure") -> bytes:
    """Return the bytes of an envelope as it is stored and sent."""
    return envelope(text).serialize()


def capture(transport: SpoolTransport, count: int = 1, *, kind: str = "event") -> list[str]:
    """Report `count` failures, and return their ids."""
    created = [envelope(f"failure {number}", kind=kind) for number in range(count)]
    for each in created:
        transport.capture_envelope(each)
    return [each.headers["event_id"] for each in created]


def wait_until_sent(transport: SpoolTransport) -> None:
    """Wait until no event is in the spool."""
    wait_for(transport.spool.is_empty, "an empty spool")


def wait_for_failure(transport: SpoolTransport, reason: str) -> None:
    """Wait until the last failure in the spool has this reason."""

    def is_written() -> bool:
        failure = read_last_failure(transport.spool)
        return failure is not None and reason in failure.reason

    wait_for(is_written, f"the reason {reason!r}")


def dropped_counts(records: list[logging.LogRecord]) -> Counter[str]:
    """Return the number of dropped events in the log records, by reason."""
    counts: Counter[str] = Counter()
    for record in records:
        if record.getMessage() == "sentry_events_dropped":
            facts = record.__dict__["facts"]
            counts[facts["reason"]] += facts["dropped_count"]
    return counts


class Writers:
    """Start writer processes. They are forked from one server process, because the imports of a new one take seconds.

    The server process runs `writer.py`. The fixture `writers` starts and ends it.
    """

    def __init__(self) -> None:
        self._requests, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.observability.sentry.delivery.writer", str(others.fileno())]
        with others:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[others.fileno()]
            )

    def end(self) -> None:
        """End the server process."""
        self._requests.close()
        self._process.wait()

    def start(self, dsn: str, root: Path, mode: str, count: int) -> "Writer":
        """Start a writer process that reports `count` failures."""
        (input_, input_end), (output_end, output) = os.pipe(), os.pipe()
        request = {"dsn": dsn, "root": str(root), "mode": mode, "count": count}
        socket.send_fds(self._requests, [json.dumps(request).encode()], [input_, output])
        process_id = self._answer()
        os.close(input_)
        os.close(output)
        return Writer(self, process_id, input_end, output_end)

    def exit_code(self, process_id: int) -> int:
        """Wait for the end of a writer process, and return its exit code."""
        self._requests.send(json.dumps({"wait_for": process_id}).encode())
        return self._answer()

    def _answer(self) -> int:
        return int(self._requests.recv(MAX_REQUEST_BYTES))

    @contextmanager
    def running_writers(
        self, dsn: str, root: Path, *, mode: str = "stay", count: int = 0, processes: int = 1
    ) -> "Iterator[list[Writer]]":
        """Run writer processes that report `count` failures each. At the end of the block, they are killed."""
        writers = [self.start(dsn, root, mode, count) for _ in range(processes)]
        try:
            yield writers
        finally:
            for each in writers:
                each.kill()


class Writer:
    """A writer process, created by `Writers.start()`. When `wait()` returns, it has reported its failures."""

    def __init__(self, writers: Writers, process_id: int, input_end: int, output_end: int) -> None:
        self.process_id = process_id
        self._writers = writers
        self._input = os.fdopen(input_end, "w")
        self._output = os.fdopen(output_end)
        self._exit_code: int | None = None

    def wait(self) -> None:
        """Wait until the process has reported all its failures."""
        assert self._output.readline() == "reported\n"

    def kill_process_only(self) -> None:
        """Kill the process, but not its children."""
        if self._exit_code is None:
            os.kill(self.process_id, signal.SIGKILL)
            self._exit_code = self._writers.exit_code(self.process_id)

    def kill(self) -> str:
        """Kill the process, end its children by closing their input, and return the output."""
        self.kill_process_only()
        return self._written()

    def end(self) -> None:
        """Let the process end normally, and check its exit code."""
        self._input.close()
        self._exit_code = self._writers.exit_code(self.process_id)
        self._written()
        assert self._exit_code == 0

    def _written(self) -> str:
        self._input.close()
        if self._output.closed:
            return ""
        with self._output:
            return self._output.read()
