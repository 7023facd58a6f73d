"""The address and the scheme of a client in production: TRUSTED_PROXY_COUNT decides, not the server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import Server, migrate, own_database, own_environment, served

OPTIONS = {"gunicorn": ["--config", "settings/gunicorn.py"], "uvicorn": []}
FORWARDED = {"X_Forwarded_For": "198.51.100.7, 203.0.113.9:51234", "X_Forwarded_Proto": "https"}


@pytest.fixture(params=OPTIONS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["0", "1"])
def server(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server in production, behind as many proxies as the parameter."""
    variables = {
        "DJANGO_SETTINGS_MODULE": "settings.production",
        "INSECURE_HTTP": "false",
        "TRUSTED_PROXY_COUNT": request.param,
        "WEB_CONCURRENCY": "1",
        # The default of the servers: this machine is trusted.
        "FORWARDED_ALLOW_IPS": "127.0.0.1,::1",
    }
    environment = own_environment(tmp_path, **variables)
    with own_database(tmp_path) as database:
        environment["DATABASE_URL"] = database.url
        migrate(database, environment)
        with served(name, tmp_path, environment, database, options=OPTIONS[name]) as started:
            yield started


@pytest.mark.server
def test_forwarding_headers_count_only_behind_a_trusted_proxy(server: Server) -> None:
    response = server.get("/nothing", X_Request_ID="a-forwarded-request", **FORWARDED)
    line = server.access_line("a-forwarded-request")
    is_trusted = server.environment["TRUSTED_PROXY_COUNT"] == "1"
    # Without a trusted proxy, the request is not HTTPS, so it is redirected.
    assert response.status == (404 if is_trusted else 301)
    assert line["client.address"] == ("203.0.113.9" if is_trusted else "127.0.0.1")
