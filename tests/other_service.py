"""A server for outgoing requests of tests: the path selects the response; it also works as an HTTP proxy."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit


@dataclass
class OtherService:
    """Its port, and the headers of the received requests."""

    port: int
    requests: list[Message] = field(default_factory=list)

    @property
    def host(self) -> str:
        """Return host and port for a URL."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"


class Handler(BaseHTTPRequestHandler):
    """`/status/404/` returns 404, `/chunked/` sends chunks, `/to/URL` redirects, `/broken/` closes the connection."""

    protocol_version = "HTTP/1.1"
    service: OtherService

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.service.requests.append(self.headers)
        match self.path.partition("?")[0].split("/")[1:]:
            case ["http:", *_]:
                self._answer(200, self._forwarded())
            case ["status", status, *_]:
                self._answer(int(status), b"x" * 1000)
            case ["to", *url]:
                self._answer(302, b"", Location="/".join(url))
            case ["chunked", *_]:
                self._answer_in_chunks()
            case ["broken", *_]:
                self.close_connection = True
            case ["old", *_]:
                self.protocol_version = "HTTP/1.0"
                self._answer(200, b"old")
                self.close_connection = True

    def do_POST(self) -> None:
        self.do_GET()

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed and self.path.startswith("http"):
            self.path = f"/{self.path}"
        return parsed

    def do_CONNECT(self) -> None:
        """Open a tunnel; return 502 if the port is 1."""
        host, _, port = self.path.rpartition(":")
        self.close_connection = True
        if port == "1":
            self._answer(502, b"")
            return
        with socket.create_connection((host, int(port))) as target:
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
            there = Thread(target=_copy, args=(self.connection, target))
            there.start()
            _copy(target, self.connection)
            there.join()

    def log_message(self, *_: object) -> None:
        pass

    def _forwarded(self) -> bytes:
        parts = urlsplit(self.path[1:])
        connection = HTTPConnection(parts.hostname or "", parts.port)
        connection.request("GET", parts.path)
        body = connection.getresponse().read()
        connection.close()
        return body

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _answer_in_chunks(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in (b"one", b"two", b""):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))


@contextmanager
def other_service(certificate: Path | None = None) -> Iterator[OtherService]:
    """Listen on a free port until the block ends; use TLS if there is a certificate."""

    class Bound(Handler):
        pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """Print nothing: tests close connections and reject certificates on purpose."""

    with Server(("127.0.0.1", 0), Bound) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        Bound.service = OtherService(server.server_port)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield Bound.service
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent_service() -> Iterator[int]:
    """Return the port of a server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        yield port


def own_certificate(directory: Path) -> Path:
    """Create a certificate for 127.0.0.1 and its key in one file, with openssl; return the file."""
    file = directory / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", *kind, *subject, "-keyout", "-", "-out", "-"]
    file.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    return file


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(4096):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
