"""Requests of a hostile client at a real server: each answer is a 4xx, and Sentry gets no event."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import DEADLINE_S, Server, developing, running

pytestmark = [pytest.mark.server, pytest.mark.slow]

TOKEN = "POST /api/v1/auth/token/"
JSON = "Content-Type: application/json\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
MULTIPART = "Content-Type: multipart/form-data; boundary=x\r\n"

# The request line without its version, headers, and the body.
REQUESTS: dict[str, tuple[str, str, bytes]] = {
    "deep list": (TOKEN, JSON, b"[" * 100_000),
    "deep object": (TOKEN, JSON, b'{"a":' * 20_000),
    "deep list at a view without JSON": ("POST /admin/login/", JSON, b"[" * 100_000),
    "surrogates": (TOKEN, JSON, b'{"username":"\\ud800","password":"\\udfff"}'),
    "infinity": (TOKEN, JSON, b'{"username":1e999,"password":1}'),
    "many digits": (TOKEN, JSON, b'{"username":' + b"9" * 5_000 + b',"password":1}'),
    "not UTF-8": (TOKEN, JSON, b"\xff\xfe{}"),
    "many fields": (TOKEN, FORM, b"a=1&" * 1_500),
    "many fields at the admin": ("POST /admin/login/", FORM, b"a=1&" * 1_500),
    "many files": (
        "POST /admin/login/",
        MULTIPART,
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nv\r\n' * 300 + b"--x--\r\n",
    ),
    "part with an unknown charset": (
        TOKEN,
        MULTIPART,
        b"--x\r\nContent-Disposition: form-data; name*=foo''x\r\n\r\nv\r\n--x--\r\n",
    ),
    "part that is not base64": (
        TOKEN,
        MULTIPART,
        b'--x\r\nContent-Disposition: form-data; name="username"\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff!'
        b"\r\n--x--\r\n",
    ),
    "no boundary": (TOKEN, "Content-Type: multipart/form-data\r\n", b"x"),
    "charset that is not text": (TOKEN, "Content-Type: application/json; charset=zlib\r\n", b"{}"),
    "charset of another query": ("GET /livez?a=1", "Content-Type: text/plain; charset=base64\r\n", b""),
    "many parameters and a charset": ("GET /livez?" + "a=1&" * 1_001, "Content-Type: a/b; charset=utf-8\r\n", b""),
    "header with an unknown charset": (TOKEN, "Content-Type: application/json; charset*=foo''x\r\n", b"{}"),
    "compressed": (TOKEN, f"{JSON}Content-Encoding: gzip\r\n", b"\x1f\x8b\x08"),
    "length that is not a number": (TOKEN, f"{JSON}Content-Length: abc\r\n", b""),
    "many parameters": ("GET /livez?" + "a=1&" * 1_001, "", b""),
    "many parameters of no route": ("GET /no-such-path?" + "a=1&" * 1_001, "", b""),
    "NUL in the query": ("GET /readyz?search=%00", "", b""),
    "NUL in the path": ("GET /api/v1/%00/", "", b""),
    "NUL in a cookie": ("GET /admin/", 'Cookie: sessionid="aaaaaaaa\\000bbbbbbbb"\r\n', b""),
    "path that is not UTF-8": ("GET /api/v1/%ed%a0%80/", "", b""),
    "token that is not UTF-8": ("GET /api/v1/", "Authorization: Token \xff\r\n", b""),
}


def send(server: Server, line: str, headers: str, body: bytes) -> tuple[int, bytes]:
    """Send the request, and return the status and the body of the response."""
    if "Content-Length" not in headers and not line.startswith("GET"):
        headers += f"Content-Length: {len(body)}\r\n"
    head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as connection:
        connection.sendall(head.encode("latin1") + body)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head_received, _, text = received.partition(b"\r\n\r\n")
    return int(head_received.split()[1]), text


@pytest.fixture(scope="module", params=["gunicorn", "runserver"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server with the production settings, or the development server."""
    directory: Path = tmp_path_factory.mktemp("hostile")
    serving = (
        running("gunicorn", directory, DJANGO_SETTINGS_MODULE="settings.production")
        if request.param == "gunicorn"
        else developing(directory, DJANGO_SETTINGS_MODULE="settings.development")
    )
    with serving as server:
        yield server


@pytest.mark.parametrize("name", REQUESTS)
def test_hostile_request_gets_a_reason_and_is_no_event(name: str, server: Server) -> None:
    status, text = send(server, *REQUESTS[name])
    assert 400 <= status < 500
    assert text
    assert not events(server)


def test_body_that_ends_too_early_is_no_event(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as connection:
        connection.sendall(
            b"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: ends-too-early\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na=1"
        )
        connection.shutdown(socket.SHUT_WR)
        assert server.access_line("ends-too-early")["http.response.status_code"] == 400
    assert not events(server)


def events(server: Server) -> list[str]:
    """Return the events that Sentry would get: without a DSN they are in this file."""
    path = server.log_dir / "sentry.jsonl"
    return path.read_text().splitlines() if path.exists() else []
