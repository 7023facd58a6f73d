"""A server that takes what the Sentry SDK sends, and keeps its events."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Sink:
    """The address to send to, and the events that came."""

    dsn: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    transactions: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def sentry_sink() -> Iterator[Sink]:
    """Listen on a free port until the block ends."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            sink.events += items_of(body, "event")
            sink.transactions += items_of(body, "transaction")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink.dsn = f"http://key@127.0.0.1:{server.server_port}/1"
        Thread(target=server.serve_forever, daemon=True).start()
        yield sink
        server.shutdown()


def items_of(envelope: bytes, kind: str) -> list[dict[str, Any]]:
    """The items of a kind in an envelope: a header, then a header and a payload of its length for each item."""
    _, _, rest = envelope.partition(b"\n")
    items = []
    while rest.strip():
        header, _, rest = rest.partition(b"\n")
        item = json.loads(header)
        payload, rest = rest[: item["length"]], rest[item["length"] + 1 :]
        if item["type"] == kind:
            items.append(json.loads(payload))
    return items
