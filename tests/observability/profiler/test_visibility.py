"""Who is a developer, requests that silk records, requests without the toolbar, and the files that pages may load."""

from typing import Any

import pytest
from django.apps import apps
from django.test import RequestFactory
from pytest_django import Settings

from observability.profiler.visibility import (
    CONTENT_SECURITY_POLICY,
    content_security_policy,
    is_from_developer,
    wants_no_toolbar,
    wants_silk,
)
from tests.server import Server


@pytest.fixture(autouse=True)
def development(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    monkeypatch.setattr(apps, "is_installed", {"silk"}.__contains__)


@pytest.mark.parametrize("extra", [{"QUERY_STRING": "silk"}, {"headers": {"X-Silk": "1"}}])
def test_silk_records_a_request_of_a_developer_with_its_query_or_header(extra: dict[str, Any]) -> None:
    assert wants_silk(RequestFactory().get("/", **extra))
    assert not wants_silk(RequestFactory().get("/"))


@pytest.mark.parametrize("extra", [{"QUERY_STRING": "silk"}, {"headers": {"X-Silk": "1"}}])
def test_silk_does_not_record_requests_of_other_clients(settings: Settings, extra: dict[str, Any]) -> None:
    assert not wants_silk(RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", **extra))
    settings.DEBUG = False
    assert not wants_silk(RequestFactory().get("/", **extra))


def test_request_is_not_recorded_if_silk_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "is_installed", set[str]().__contains__)
    assert not wants_silk(RequestFactory().get("/?silk"))


@pytest.mark.parametrize(
    ("query", "headers", "is_off"),
    [
        ("toolbar=off", {}, True),
        ("toolbar=OFF", {}, True),
        ("", {"X-Toolbar": "Off"}, True),
        ("toolbar=on", {"X-Toolbar": "off"}, False),
        ("toolbar", {}, False),
        ("", {}, False),
    ],
)
def test_toolbar_can_be_switched_off_by_query_or_header(query: str, headers: dict[str, str], is_off: bool) -> None:
    assert wants_no_toolbar(RequestFactory().get(f"/?{query}", headers=headers)) is is_off


@pytest.mark.parametrize("static_url", ["/static/", "static/"])
def test_policy_allows_only_files_of_this_origin(settings: Settings, static_url: str) -> None:
    settings.STATIC_URL = static_url
    assert content_security_policy() == CONTENT_SECURITY_POLICY


def test_policy_also_allows_static_files_from_their_host(settings: Settings) -> None:
    settings.STATIC_URL = "https://static.example.com:8443/files/"
    parts = dict(part.split(" ", 1) for part in content_security_policy().split("; "))
    opened = {name for name, sources in parts.items() if "https://static.example.com:8443" in sources}
    assert opened == {"script-src", "style-src", "img-src", "font-src"}
    assert parts["script-src"] == "'self' https://static.example.com:8443"
    assert parts["connect-src"] == "'self'"


def is_developer(**meta: str) -> bool:
    return is_from_developer(RequestFactory().get("/", **({"HTTP_HOST": "localhost:8000"} | meta)))  # type: ignore[arg-type] # the keys of META


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:8000", "LOCALHOST:8000", "localhost.", "vitrine.localhost:8000", "127.0.0.1",
        "127.0.0.1:8000", "127.1.2.3:8000", "[::1]", "[::1]:8000", "[::ffff:127.0.0.1]:8000",
    ],
)  # fmt: skip
def test_request_to_this_machine_is_of_a_developer(host: str) -> None:
    assert is_developer(HTTP_HOST=host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com", "abc.ngrok.app", "192.168.1.10:8000", "localhost.example.com", "127.0.0.1.nip.io",
        "127.0.0.1:8000@example.com", "example.com:127.0.0.1", "localhost/.example.com", "a-localhost",
        "[::2]", "0.0.0.1",
        "", ":8000", "localhost:8000, example.com", "\\localhost",
    ],
)  # fmt: skip
def test_request_through_a_tunnel_to_another_host_is_not_of_a_developer(host: str) -> None:
    assert not is_developer(HTTP_HOST=host)


def test_request_without_a_host_is_not_of_a_developer() -> None:
    assert not is_from_developer(RequestFactory().get("/", SERVER_NAME="localhost"))
    assert not is_from_developer(RequestFactory().get("/", SERVER_NAME="127.0.0.1"))


HEADERS = [
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded", "X-Forwarded-Anything", "Forwarded",
    "X-Real-IP", "Via", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "X-Original-Forwarded-For",
]  # fmt: skip


@pytest.mark.parametrize("value", ["127.0.0.1", "203.0.113.9", "for=127.0.0.1", ""])
@pytest.mark.parametrize("header", HEADERS)
def test_forwarded_request_is_not_of_a_developer(header: str, value: str) -> None:
    assert not is_developer(**{f"HTTP_{header.upper().replace('-', '_')}": value})


def trust_proxies(settings: Settings, count: int, *addresses: str) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"TRUSTED_PROXY_COUNT": count}
    settings.INTERNAL_IPS = list(addresses)


@pytest.mark.parametrize("forwarded", ["203.0.113.9", "forged, 203.0.113.9:51234", "127.0.0.1, 203.0.113.9"])
def test_client_that_a_trusted_proxy_names_is_a_developer_if_it_is_listed(settings: Settings, forwarded: str) -> None:
    trust_proxies(settings, 1, "127.0.0.1", "203.0.113.9")
    assert is_developer(HTTP_X_FORWARDED_FOR=forwarded, HTTP_HOST="example.com", HTTP_VIA="1.1 proxy")
    trust_proxies(settings, 1, "127.0.0.1")
    assert not is_developer(HTTP_X_FORWARDED_FOR=forwarded, HTTP_HOST="example.com")


@pytest.mark.parametrize(
    ("count", "meta"),
    [
        (0, {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}),
        (1, {"HTTP_X_FORWARDED_FOR": "203.0.113.9, 198.51.100.7"}),
        (1, {"HTTP_X_FORWARDED_FOR": "203.0.113.9, unknown"}),
        (1, {"HTTP_X_FORWARDED_FOR": ""}),
        (1, {"HTTP_FORWARDED": "for=203.0.113.9"}),
        (1, {"HTTP_X_REAL_IP": "203.0.113.9"}),
        # The request did not pass the second proxy, so the client wrote the header itself.
        (2, {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}),
        # The peer is not a proxy of the developer.
        (1, {"HTTP_X_FORWARDED_FOR": "203.0.113.9", "REMOTE_ADDR": "198.51.100.7"}),
    ],
)
def test_client_that_no_trusted_proxy_names_is_not_a_developer(
    settings: Settings, count: int, meta: dict[str, str]
) -> None:
    trust_proxies(settings, count, "127.0.0.1", "203.0.113.9")
    assert not is_developer(**meta)


def test_proxy_on_this_machine_needs_a_host_of_this_machine(settings: Settings) -> None:
    trust_proxies(settings, 1, "127.0.0.1")
    assert is_developer(HTTP_X_FORWARDED_FOR="127.0.0.1")
    assert not is_developer(HTTP_X_FORWARDED_FOR="127.0.0.1", HTTP_HOST="example.com")


def test_listed_address_of_another_machine_may_use_any_host(settings: Settings) -> None:
    settings.INTERNAL_IPS = ["192.168.1.20", "2001:db8::1"]
    assert is_developer(REMOTE_ADDR="192.168.1.20", HTTP_HOST="192.168.1.10:8000")
    assert is_developer(REMOTE_ADDR="::ffff:192.168.1.20", HTTP_HOST="192.168.1.10:8000")
    assert is_developer(REMOTE_ADDR="2001:db8::1", HTTP_HOST="example.com")
    assert not is_developer(REMOTE_ADDR="192.168.1.20", HTTP_X_FORWARDED_FOR="192.168.1.20")
    for address in ("192.168.1.21", "127.0.0.1", "::1", "", "unix:"):
        assert not is_developer(REMOTE_ADDR=address)


@pytest.mark.parametrize(("host", "expected"), [("vitrine.test:8000", True), ("a.example.com", True), ("test", False)])
def test_developer_hosts_are_those_of_this_machine(settings: Settings, host: str, *, expected: bool) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"DEVELOPER_HOSTS": ["vitrine.test", ".example.com"]}
    assert is_developer(HTTP_HOST=host) is expected
    assert not is_developer(HTTP_HOST=host, HTTP_X_FORWARDED_FOR="127.0.0.1")


def test_nobody_is_a_developer_without_debug(settings: Settings) -> None:
    settings.DEBUG = False
    assert not is_developer()


@pytest.mark.parametrize("name", ["server", "asgi_server"])
@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1;host=localhost"}, {"X_Real_IP": "127.0.0.1"},
        {"Via": "1.1 tunnel"}, {"X_Forwarded_Host": "localhost"}, {"Host": "localhost.tunnel.example.com"},
    ],
)  # fmt: skip
def test_real_server_shows_the_profiler_to_a_developer_only(
    request: pytest.FixtureRequest, name: str, headers: dict[str, str]
) -> None:
    running: Server = request.getfixturevalue(name)
    page, ordinary = "/__debug__/requests/", "/ordinary/"
    assert running.get(page).status == 200
    assert "X-Profile-URL" in running.get(ordinary).headers
    # A host that is not allowed is a 400.
    assert running.get(page, **headers).status in {400, 404}
    assert "X-Profile-URL" not in running.get(ordinary, **headers).headers
