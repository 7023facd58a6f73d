"""The sample `docs/examples/nginx.conf` with a real nginx in front of the shipped gunicorn."""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server import DEADLINE_S, ROOT, Server, free_port, is_listening, wait_for
from tests.serving.test_slow_clients import SLOW_CLIENTS, shipped

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.external("nginx")]

SAMPLE = (ROOT / "docs" / "examples" / "nginx.conf").read_text()
TOKEN = "/api/v1/auth/token/"
CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return the service as it is deployed: behind one proxy, with HTTPS."""
    directory = tmp_path_factory.mktemp("service")
    names = {"ALLOWED_HOSTS": "vitrine.example.com,127.0.0.1", "TRUSTED_PROXY_COUNT": "1", "INSECURE_HTTP": "false"}
    with shipped(directory, **names) as server:
        yield server


@pytest.fixture(scope="module")
def port(service: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run nginx with the sample, and with the addresses and the certificate of the test; return its HTTPS port."""
    directory = tmp_path_factory.mktemp("nginx")
    https = free_port()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=vitrine.example.com"]
        + ["-keyout", str(directory / "key"), "-out", str(directory / "certificate")],
        check=True,
        capture_output=True,
    )
    sample = SAMPLE
    for written, tested in {
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{service.port};",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
        "/etc/ssl/certs/vitrine.pem": str(directory / "certificate"),
        "/etc/ssl/private/vitrine.key": str(directory / "key"),
    }.items():
        assert written in sample
        sample = sample.replace(written, tested)
    temporary = "".join(
        f"{kind}_temp_path {directory / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "nginx.conf").write_text(
        f"daemon off; pid {directory / 'pid'}; worker_processes 1;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{sample}\n}}\n"
    )
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert program is not None
    command = [program, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(directory / "error")]
    process = subprocess.Popen(command)
    try:
        wait_for(lambda: is_listening(https) or process.poll() is not None, f"nginx on port {https}")
        assert process.poll() is None, Path(directory / "error").read_text()
        yield https
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def request(port: int, path: str, *, method: str = "GET", body: str = "", **headers: str) -> tuple[int, bytes]:
    """Send a request through nginx; return the status and the body of the response."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=DEADLINE_S, context=CONTEXT)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body or None, {"Host": "vitrine.example.com"} | named)
    response = connection.getresponse()
    try:
        return response.status, response.read()
    finally:
        connection.close()


def test_request_through_the_proxy_is_https_and_has_the_address_of_the_client(port: int, service: Server) -> None:
    assert service.get("/api/v1/").status == 301
    forged = {"X_Forwarded_For": "203.0.113.9", "X_Request_ID": "through-nginx"}
    assert request(port, "/api/v1/", **forged)[0] == 401
    assert service.access_line("through-nginx")["client.address"] == "127.0.0.1"


def test_slow_clients_do_not_reach_the_service(port: int, service: Server) -> None:
    head = (
        f"POST {TOKEN} HTTP/1.1\r\nHost: vitrine.example.com\r\nX-Request-ID: slow-client\r\nContent-Length: 200000\r\n"
    )
    with ExitStack() as stack:
        for _ in range(SLOW_CLIENTS):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            slow = stack.enter_context(CONTEXT.wrap_socket(plain, server_hostname="vitrine.example.com"))
            slow.sendall(f"{head}\r\n{{".encode())
        for path in ("/livez", "/readyz"):
            assert request(port, path) == (200, b'{"status": "ok"}')
        assert service.lines("slow-client") == []


def test_body_over_the_limit_of_the_service_is_refused_by_the_proxy(port: int) -> None:
    assert request(port, "/api/v1/", method="POST", Content_Length=str(33 * 1024 * 1024))[0] == 413


def test_logins_are_limited_and_other_requests_are_not(port: int) -> None:
    statuses = {request(port, TOKEN, method="POST", body="username=")[0] for _ in range(40)}
    assert 429 in statuses
    assert request(port, "/livez")[0] == 200
