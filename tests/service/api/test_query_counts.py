"""What the access line of a real server counts for each request: the same number on every database."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.server import DEADLINE_S, Server, running
from tests.service.fleet import many_realtime, realtime, vin
from tests.service.login import PASSWORD, make_token

# Method, path, body, and the expectation: the query of the token is in each.
REQUESTS = {
    "list": ("GET", "/api/v1/trucks/", None, 3),
    "filtered list": ("GET", "/api/v1/trucks/?status=stopped&search=LZZ&ordering=-last_contact_at", None, 3),
    "retrieve": ("GET", f"/api/v1/trucks/{vin(1)}/", None, 3),
    "status-counts": ("GET", "/api/v1/trucks/status-counts/", None, 2),
    "create": ("POST", "/api/v1/trucks/", {"vin": vin(900)}, 3),
    "create again": ("POST", "/api/v1/trucks/", {"vin": vin(1)}, 2),
    "change": ("PATCH", f"/api/v1/trucks/{vin(2)}/", {"finance_type": "loan"}, 3),
    "ingest of known trucks": ("POST", "/api/v1/telemetry/frames/", [realtime(1, speed_kmh=7.0).hex()], 5),
    "ingest of unknown trucks": (
        "POST", "/api/v1/telemetry/frames/", [raw.hex() for raw in many_realtime(1_000, trucks=100)], 7
    ),
    "delete": ("DELETE", f"/api/v1/trucks/{vin(3)}/", None, 4),
}  # fmt: skip


@dataclass
class Client:
    """Asks one server with one token."""

    server: Server
    token: str

    def ask(self, method: str, path: str, body: object) -> tuple[int, int]:
        """The status of a request, and the number of queries in its access line."""
        content = json.dumps({"frames": body} if isinstance(body, list) else body)
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        line = self.server.access_line(str(response.headers["X-Request-ID"]))
        return response.status, line["db.query_count"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of the service as in production, with three trucks."""
    variables = {"DJANGO_SETTINGS_MODULE": "settings.production", **PASSWORD}
    with running("gunicorn", tmp_path_factory.mktemp("query-counts"), **variables) as server:
        client = Client(server, make_token(server))
        client.ask("POST", "/api/v1/telemetry/frames/", [realtime(number).hex() for number in (1, 2, 3)])
        yield client


@pytest.mark.parametrize("name", REQUESTS)
def test_request_makes_as_many_queries_on_every_database(client: Client, name: str) -> None:
    method, path, body, expected = REQUESTS[name]
    status, count = client.ask(method, path, body)
    assert (status < 500, count) == (True, expected)
