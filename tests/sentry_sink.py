"""A fake Sentry server that stores the received events. A test can make it slow, failing or silent."""

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import brotli


@dataclass
class Sink:
    """The port, the received events, and the behavior of the server, which a test may change at any time.

    attempts: the types of all received items, also of rejected ones; attempted_at: their times, in seconds.
    status, headers: of the response; events are stored if the status is below 300.
    limited: item types for which the response is 429.
    answering: if this event is cleared, all responses wait.
    delay_s: seconds before the response. is_black_hole: it never responds.
    max_events: it does not respond after it has received this number of events.
    """

    port: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    transactions: list[dict[str, Any]] = field(default_factory=list)
    envelopes: list[bytes] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    attempted_at: list[float] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    limited: set[str] = field(default_factory=set)
    answering: Event = field(default_factory=Event)
    delay_s: float = 0
    is_black_hole: bool = False
    max_events: int | None = None
    ended: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.answering.set()

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.port}/1"

    @property
    def ids(self) -> list[str]:
        """Return the ids of the stored events in the order of arrival."""
        return [event["event_id"] for event in self.events]

    def events_of(self, request_id: str) -> list[dict[str, Any]]:
        """Return the stored events with the tag of this request."""
        return [event for event in self.events if (event.get("tags") or {}).get("request_id") == request_id]

    @property
    def is_silent(self) -> bool:
        return self.is_black_hole or (self.max_events is not None and len(self.events) >= self.max_events)

    def take(self, envelope: bytes) -> tuple[int, dict[str, str]]:
        """Store the events of an envelope if they are accepted. Return status and headers of the response."""
        items = items_of(envelope)
        status, headers = self.status, self.headers
        if self.limited & {kind for kind, _ in items}:
            status = 429
        if status < 300:
            self.envelopes.append(envelope)
            self.events += [json.loads(payload) for kind, payload in items if kind == "event"]
            self.transactions += [json.loads(payload) for kind, payload in items if kind == "transaction"]
        self.attempted_at.append(time.monotonic())
        self.attempts += [kind for kind, _ in items]
        return status, headers


@contextmanager
def sentry_sink(port: int = 0) -> Iterator[Sink]:
    """Listen on this port, or a free one if it is 0, until the block ends."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            match self.headers.get("Content-Encoding"):
                case "gzip":
                    body = gzip.decompress(body)
                case "br":
                    # The SDK's transport uses it if the package brotli is installed.
                    body = brotli.decompress(body)
            if sink.is_silent:
                sink.attempts.append("")
                sink.ended.wait()
                return
            sink.answering.wait()
            time.sleep(sink.delay_s)
            status, headers = sink.take(body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Print nothing: tests kill clients on purpose."""

    with Server(("127.0.0.1", port), Handler) as server:
        sink.port = server.server_port
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield sink
        finally:
            sink.ended.set()
            sink.answering.set()
            server.shutdown()


def items_of(envelope: bytes) -> list[tuple[str, bytes]]:
    """Return type and payload of each item: after the header of the envelope, each item is a header and a payload."""
    _, _, rest = envelope.partition(b"\n")
    items = []
    while rest.strip():
        header, _, rest = rest.partition(b"\n")
        item = json.loads(header)
        payload, rest = rest[: item["length"]], rest[item["length"] + 1 :]
        items.append((item["type"], payload))
    return items
