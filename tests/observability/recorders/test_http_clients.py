"""The HTTP client recorder, with real clients and real servers."""

import asyncio
import gc
import http.client
import logging
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import sentry_sdk
import urllib3
from asgiref.sync import sync_to_async
from django.test import Client
from pytest_django import Settings

from observability.core.context import activate, observe
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.recorders import http_clients
from observability.recorders.http_clients import find_error_name
from observability.recorders.trace_propagation import format_host
from tests.other_service import OtherService, other_service, own_certificate, silent_service
from tests.sentry_sink import sentry_sink
from tests.server import ROOT, free_port

TIMEOUT_S = 10


def by_http_client(url: str, headers: dict[str, str], timeout: float) -> int:
    host, _, path = url.removeprefix("http://").partition("/")
    with closing(http.client.HTTPConnection(host, timeout=timeout)) as connection:
        connection.request("GET", f"/{path}", headers=headers)
        with connection.getresponse() as response:
            response.read()
            return response.status


def by_urllib_request(url: str, headers: dict[str, str], timeout: float) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def by_urllib3(url: str, headers: dict[str, str], timeout: float) -> int:
    with urllib3.PoolManager(retries=urllib3.Retry(connect=0, read=0, redirect=5)) as pool:
        return pool.request("GET", url, headers=headers, timeout=timeout).status


def by_requests(url: str, headers: dict[str, str], timeout: float) -> int:
    with requests.Session() as session:
        return session.get(url, headers=headers, timeout=timeout).status_code


def by_httpx(url: str, headers: dict[str, str], timeout: float) -> int:
    with httpx.Client(follow_redirects=True) as client:
        return client.get(url, headers=headers, timeout=timeout).status_code


def by_httpx_async(url: str, headers: dict[str, str], timeout: float) -> int:
    async def get() -> int:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            return (await client.get(url, headers=headers, timeout=timeout)).status_code

    return asyncio.run(get())


CLIENTS: dict[str, Callable[[str, dict[str, str], float], int]] = {
    "http.client": by_http_client,
    "urllib.request": by_urllib_request,
    "urllib3": by_urllib3,
    "requests": by_requests,
    "httpx": by_httpx,
    "httpx async": by_httpx_async,
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the proxy settings of the machine that runs the tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=CLIENTS)
def get(request: pytest.FixtureRequest) -> Callable[..., int]:
    """Return a function that gets a URL with one of the clients and returns the status."""

    def get(url: str, headers: dict[str, str] | None = None, timeout: float = TIMEOUT_S) -> int:
        return CLIENTS[request.param](url, headers or {}, timeout)

    return get


@pytest.fixture
def service() -> Iterator[OtherService]:
    with other_service() as service:
        yield service


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return own_certificate(tmp_path_factory.mktemp("tls"))


def recorded_requests(observation: Observation) -> list[str]:
    assert observation.outgoing_count == len([step for step in observation.last_steps if step.kind == "http_client"])
    return [step.text for step in observation.last_steps if step.kind == "http_client"]


# What is recorded


def test_step_has_method_host_and_status(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work:
        assert get(service.url("/status/200/some/path?token=secret#part")) == 200
    (step,) = [step for step in work.last_steps if step.kind == "http_client"]
    assert step == Step("http_client", f"GET {service.host} 200", service.host, step.duration_ms, "", step.ended_ns)
    assert work.outgoing_duration_ms == step.duration_ms > 0


def test_error_status_is_recorded(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work:
        assert get(service.url("/status/503/")) == 503
    assert recorded_requests(work) == [f"GET {service.host} 503"]


def test_redirect_is_a_separate_request(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work, other_service() as second:
        status = get(service.url(f"/to/{second.url('/status/200/')}"))
    followed = [f"GET {second.host} 200"] if status == 200 else []
    assert recorded_requests(work) == [f"GET {service.host} 302", *followed]


def test_chunked_response_is_one_request(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work:
        get(service.url("/chunked/"))
    assert recorded_requests(work) == [f"GET {service.host} 200"]


def test_http_1_0_response_is_one_request(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work:
        get(service.url("/old/"))
    assert recorded_requests(work) == [f"GET {service.host} 200"]


def test_refused_connection_is_recorded(get: Callable[..., int]) -> None:
    port = free_port()
    with observe("work") as work, pytest.raises((OSError, urllib3.exceptions.HTTPError, httpx.ConnectError)):
        get(f"http://127.0.0.1:{port}/")
    assert recorded_requests(work) == [f"GET 127.0.0.1:{port} ConnectionRefusedError"]


def test_timeout_is_recorded(get: Callable[..., int]) -> None:
    with (
        silent_service() as port,
        observe("work") as work,
        pytest.raises((OSError, urllib3.exceptions.HTTPError, httpx.ReadTimeout)),
    ):
        get(f"http://127.0.0.1:{port}/", timeout=0.2)
    assert recorded_requests(work) == [f"GET 127.0.0.1:{port} TimeoutError"]


def test_unknown_host_name_is_recorded(get: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with observe("work") as work, pytest.raises((OSError, urllib3.exceptions.HTTPError, httpx.ConnectError)):
        get("http://api.example.com/")
    assert recorded_requests(work) == ["GET api.example.com gaierror"]


def test_disconnect_by_the_server_is_recorded(get: Callable[..., int], service: OtherService) -> None:
    with (
        observe("work") as work,
        pytest.raises((OSError, urllib3.exceptions.HTTPError, httpx.RemoteProtocolError)),
    ):
        get(service.url("/broken/"))
    (text,) = recorded_requests(work)
    assert text in {f"GET {service.host} RemoteDisconnected", f"GET {service.host} RemoteProtocolError"}


def test_request_outside_of_an_observation_is_not_recorded(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work, activate(None):
        assert get(service.url("/status/200/")) == 200
    assert recorded_requests(work) == []


def test_request_counts_in_inner_and_outer_observation(get: Callable[..., int], service: OtherService) -> None:
    with observe("outer") as outer, observe("inner") as inner:
        get(service.url("/status/200/"))
    assert recorded_requests(outer) == recorded_requests(inner) == [f"GET {service.host} 200"]


def test_exception_of_a_failed_request_is_unchanged() -> None:
    port = free_port()
    with pytest.raises(ConnectionRefusedError) as outside:
        CLIENTS["http.client"](f"http://127.0.0.1:{port}/", {}, TIMEOUT_S)
    with observe("work"), pytest.raises(ConnectionRefusedError) as inside:
        CLIENTS["http.client"](f"http://127.0.0.1:{port}/", {}, TIMEOUT_S)
    assert (inside.value.args, inside.value.__cause__) == (outside.value.args, None)


# Connections


def test_each_request_on_a_reused_connection_is_recorded(service: OtherService) -> None:
    with closing(http.client.HTTPConnection(service.host)) as connection, observe("work") as work:
        for status in (200, 404):
            connection.request("GET", f"/status/{status}/")
            connection.getresponse().read()
    assert recorded_requests(work) == [f"GET {service.host} 200", f"GET {service.host} 404"]


def test_request_on_a_shared_connection_counts_in_the_current_observation(service: OtherService) -> None:
    with closing(http.client.HTTPConnection(service.host)) as connection:
        with observe("first") as first:
            connection.request("GET", "/status/200/")
            connection.close()
            with activate(None):
                connection.request("GET", "/status/200/")
                connection.getresponse().read()
        with observe("second") as second:
            connection.request("GET", "/status/404/")
            connection.getresponse().read()
    assert (recorded_requests(first), recorded_requests(second)) == ([], [f"GET {service.host} 404"])


def test_each_request_of_a_urllib3_pool_is_recorded(service: OtherService) -> None:
    with urllib3.PoolManager() as pool, observe("work") as work:
        for status in (200, 404):
            pool.request("GET", service.url(f"/status/{status}/"))
        (connections,) = (each.num_connections for each in pool.pools._container.values())
    assert (connections, recorded_requests(work)) == (1, [f"GET {service.host} 200", f"GET {service.host} 404"])


def test_each_retry_is_recorded() -> None:
    port = free_port()
    with urllib3.PoolManager() as pool, observe("work") as work, pytest.raises(urllib3.exceptions.MaxRetryError):
        pool.request("GET", f"http://127.0.0.1:{port}/", retries=2)
    assert recorded_requests(work) == [f"GET 127.0.0.1:{port} ConnectionRefusedError"] * 3


@pytest.mark.parametrize("body", [b"x" * 100_000, iter([b"one", b"two"])], ids=["whole", "chunks"])
def test_request_with_a_body_is_recorded_once(service: OtherService, body: Any) -> None:  # noqa: ANN401
    with requests.Session() as session, observe("work") as work:
        headers = {} if isinstance(body, bytes) else {"Connection": "close"}
        session.post(service.url("/status/201/"), data=body, headers=headers, timeout=TIMEOUT_S)
    assert recorded_requests(work) == [f"POST {service.host} 201"]


def test_unread_response_does_not_keep_the_observation_alive(service: OtherService) -> None:
    work = Observation("span", "work")
    with requests.Session() as session, activate(work):
        answer = session.get(service.url("/status/200/"), stream=True, timeout=TIMEOUT_S)
    assert recorded_requests(work) == [f"GET {service.host} 200"]
    answer.close()
    gone = weakref.ref(work)
    del work
    gc.collect()
    assert gone() is None


def test_invalid_request_of_http_client_is_not_recorded(service: OtherService) -> None:
    with closing(http.client.HTTPConnection(service.host)) as connection, observe("work") as work:
        with pytest.raises(http.client.InvalidURL):
            connection.request("GET", "/with space")
        connection.close()
    assert recorded_requests(work) == []


# Proxies and TLS


def test_host_of_a_request_through_a_tunnel_is_the_target(service: OtherService) -> None:
    with other_service() as proxy, closing(http.client.HTTPConnection(proxy.host)) as connection:
        connection.set_tunnel("127.0.0.1", service.port)
        with observe("work") as work:
            connection.request("GET", "/status/200/")
            connection.getresponse().read()
    assert recorded_requests(work) == [f"GET {service.host} 200"]


@pytest.mark.parametrize("name", ["urllib3", "requests", "httpx"])
def test_host_of_a_request_through_a_proxy_is_the_target(service: OtherService, name: str) -> None:
    url = service.url("/status/200/")
    with other_service() as proxy, observe("work") as work:
        proxy_url = proxy.url("")
        match name:
            case "urllib3":
                with urllib3.ProxyManager(proxy_url) as pool:
                    pool.request("GET", url)
            case "requests":
                requests.get(url, proxies={"http": proxy_url}, timeout=TIMEOUT_S)
            case "httpx":
                with httpx.Client(proxy=proxy_url) as client:
                    client.get(url)
    assert recorded_requests(work) == [f"GET {service.host} 200"]


def get_with_tls(name: str, service: OtherService, certificate: Path | None) -> None:
    """Send a request with TLS; only `certificate` is trusted."""
    url = service.url("/status/200/").replace("http:", "https:")
    trusted = ssl.create_default_context(cafile=certificate)
    match name:
        case "http.client":
            with closing(http.client.HTTPSConnection(service.host, context=trusted)) as connection:
                connection.request("GET", "/status/200/")
                connection.getresponse().read()
        case "urllib3":
            with urllib3.PoolManager(ssl_context=trusted, retries=False) as pool:
                pool.request("GET", url)
        case "requests":
            requests.get(url, verify=str(certificate) if certificate else True, timeout=TIMEOUT_S)
        case "httpx":
            with httpx.Client(verify=trusted) as client:
                client.get(url)


each_tls_client = pytest.mark.parametrize("name", ["http.client", "urllib3", "requests", "httpx"])


@each_tls_client
def test_tls_request_is_recorded(certificate: Path, name: str) -> None:
    with other_service(certificate) as service, observe("work") as work:
        get_with_tls(name, service, certificate)
    assert recorded_requests(work) == [f"GET {service.host} 200"]


@each_tls_client
def test_untrusted_certificate_is_recorded(certificate: Path, name: str) -> None:
    failures = (OSError, urllib3.exceptions.HTTPError, httpx.ConnectError)
    with other_service(certificate) as service, observe("work") as work, pytest.raises(failures):
        get_with_tls(name, service, None)
    assert recorded_requests(work) == [f"GET {service.host} SSLCertVerificationError"]


@pytest.mark.parametrize("name", ["http.client", "urllib3", "requests"])
def test_duration_includes_connecting_with_tls(certificate: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns, connect = [0], socket.socket.connect

    def connect_within_a_second(self: socket.socket, address: tuple[str, int]) -> None:
        now_ns[0] += 1_000_000_000
        connect(self, address)

    monkeypatch.setattr(http_clients, "perf_counter_ns", lambda: now_ns[0])
    with other_service(certificate) as service, observe("work") as work:
        monkeypatch.setattr(socket.socket, "connect", connect_within_a_second)
        get_with_tls(name, service, certificate)
    assert work.outgoing_duration_ms == 1000.0


def test_tunnel_of_urllib3_is_not_a_separate_request(certificate: Path) -> None:
    trusted = ssl.create_default_context(cafile=certificate)
    with other_service(certificate) as service, other_service() as proxy:
        url = service.url("/status/200/").replace("http:", "https:")
        with urllib3.ProxyManager(proxy.url(""), ssl_context=trusted) as pool, observe("work") as work:
            pool.request("GET", url)
            pool.request("GET", url)
    assert recorded_requests(work) == [f"GET {service.host} 200"] * 2


def test_failed_tunnel_is_one_connect_request(service: OtherService) -> None:
    with (
        urllib3.ProxyManager(service.url("")) as pool,
        observe("work") as work,
        pytest.raises(urllib3.exceptions.ProxyError),
    ):
        pool.request("GET", "https://127.0.0.1:1/", retries=False)
    assert recorded_requests(work) == ["CONNECT 127.0.0.1:1 OSError"]


# Threads and tasks


def test_requests_of_threads_count_in_the_inherited_observation(service: OtherService) -> None:
    with observe("work") as work, ThreadPoolExecutor(4) as pool:
        for _ in range(8):
            pool.submit(copy_context().run, by_requests, service.url("/status/200/"), {}, TIMEOUT_S)
    assert recorded_requests(work) == [f"GET {service.host} 200"] * 8


def test_requests_of_tasks_count_in_the_inherited_observation(service: OtherService) -> None:
    async def gather() -> Observation:
        url = service.url("/status/200/")
        with observe("work") as work:
            async with httpx.AsyncClient() as client:
                await asyncio.gather(*(client.get(url) for _ in range(3)), sync_to_async(by_requests)(url, {}, 10))
        return work

    assert recorded_requests(asyncio.run(gather())) == [f"GET {service.host} 200"] * 4


def test_request_of_a_canceled_task_is_recorded() -> None:
    async def cancel(port: int) -> Observation:
        with observe("work") as work:
            async with httpx.AsyncClient() as client:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.get(f"http://127.0.0.1:{port}/"), 0.2)
        return work

    with silent_service() as port:
        assert recorded_requests(asyncio.run(cancel(port))) == [f"GET 127.0.0.1:{port} CancelledError"]


def test_request_that_ends_after_its_observation_is_dropped(service: OtherService) -> None:
    with observe("work") as work, closing(http.client.HTTPConnection(service.host)) as connection:
        connection.request("GET", "/status/200/")
        work.close()
        connection.getresponse().read()
    assert recorded_requests(work) == []


# Trace headers


@pytest.fixture
def listed_service(service: OtherService, settings: Settings) -> OtherService:
    """A service whose host is in PROPAGATE_TO."""
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"PROPAGATE_TO": [service.host]}
    return service


def test_listed_host_gets_trace_headers(get: Callable[..., int], listed_service: OtherService) -> None:
    with observe("work") as work:
        get(listed_service.url("/status/200/"))
    (headers,) = listed_service.requests
    assert headers.get_all("traceparent") == [f"00-{work.trace_id}-{work.span_id}-01"]
    assert headers.get_all("X-Request-ID") == [work.request_id]


def test_no_host_gets_trace_headers_by_default(get: Callable[..., int], service: OtherService) -> None:
    with observe("work"):
        get(service.url("/status/200/"))
    (headers,) = service.requests
    assert ("traceparent" in headers, "X-Request-ID" in headers) == (False, False)


def test_redirect_to_another_host_has_no_trace_headers(get: Callable[..., int], listed_service: OtherService) -> None:
    with observe("work"), other_service() as other:
        get(listed_service.url(f"/to/{other.url('/status/200/')}"))
        get(other.url("/status/200/"))
    assert "traceparent" in listed_service.requests[0]
    assert [name for headers in other.requests for name in ("traceparent", "X-Request-ID") if name in headers] == []


def test_headers_of_the_application_are_not_replaced(get: Callable[..., int], listed_service: OtherService) -> None:
    with observe("work") as work:
        get(listed_service.url("/status/200/"), headers={"x-request-id": "callers-own"})
    (headers,) = listed_service.requests
    assert headers.get_all("X-Request-ID") == ["callers-own"]
    assert headers.get_all("traceparent") == [f"00-{work.trace_id}-{work.span_id}-01"]


def test_request_outside_of_an_observation_has_no_trace_headers(
    get: Callable[..., int], listed_service: OtherService
) -> None:
    get(listed_service.url("/status/200/"))
    assert "traceparent" not in listed_service.requests[0]


def test_invalid_request_id_is_left_out_of_the_headers(get: Callable[..., int], listed_service: OtherService) -> None:
    work = Observation("span", "work", request_id="one\r\nX-Admin: yes")
    with activate(work):
        assert get(listed_service.url("/status/200/")) == 200
    work.close()
    (headers,) = listed_service.requests
    assert ("X-Request-ID" in headers, "X-Admin" in headers, "traceparent" in headers) == (False, False, True)


def test_trace_headers_do_not_change_the_body(listed_service: OtherService) -> None:
    with observe("work"), httpx.Client() as client:
        client.post(listed_service.url("/status/200/"), json={"a": 1}).raise_for_status()
    (headers,) = listed_service.requests
    assert (headers["Content-Length"], headers["Content-Type"]) == ("7", "application/json")


# Names


@pytest.mark.parametrize(
    ("host", "port", "default_port", "named"),
    [
        ("API.Example.com.", 443, 443, "api.example.com"),
        ("api.example.com", None, None, "api.example.com"),
        ("api.example.com", 8443, 443, "api.example.com:8443"),
        ("::1", 8000, 80, "[::1]:8000"),
        ("[::1]", 80, 80, "[::1]"),
        ("ada:secret@api.example.com", 80, 80, "api.example.com"),
    ],
)
def test_format_host_is_in_lower_case_with_a_non_default_port(
    host: str, port: int | None, default_port: int | None, named: str
) -> None:
    assert format_host(host, port, default_port) == named


def test_userinfo_of_a_url_is_not_recorded(service: OtherService) -> None:
    with observe("work") as work:
        by_requests(f"http://ada:secret@{service.host}/status/200/", {}, TIMEOUT_S)
        by_httpx(f"http://ada:secret@{service.host}/status/200/", {}, TIMEOUT_S)
    assert recorded_requests(work) == [f"GET {service.host} 200"] * 2


def test_error_name_of_a_cyclic_chain_is_found() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert find_error_name(first, None) == "ValueError"


def test_error_that_the_application_was_handling_is_not_the_outcome(service: OtherService) -> None:
    def request_while_an_error_is_handled() -> None:
        try:
            raise PermissionError
        except PermissionError:
            by_http_client(service.url("/broken/"), {}, TIMEOUT_S)

    with observe("work") as work, pytest.raises(http.client.RemoteDisconnected):
        request_while_an_error_is_handled()
    assert recorded_requests(work) == [f"GET {service.host} RemoteDisconnected"]


# Log lines and headers


@pytest.mark.django_db
@pytest.mark.urls("tests.probe.urls")
def test_access_log_line_counts_outgoing_requests(
    client: Client, service: OtherService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "observability.access")
    answer = client.get("/sending/2/", {"port": service.port})
    (record,) = [each for each in caplog.records if each.name == "observability.access"]
    facts = record.__dict__["facts"]
    assert facts["outgoing.count"] == 2
    assert facts["duration_ms"] > facts["outgoing.duration_ms"] > 0
    assert re.search(r', outgoing;dur=\d+\.\d;desc="2 requests"', answer.headers["Server-Timing"])


def test_log_line_of_a_span_counts_outgoing_requests(service: OtherService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "observability.span")
    with observe("work"):
        by_http_client(service.url("/status/200/"), {}, TIMEOUT_S)
    (record,) = [each for each in caplog.records if each.name == "observability.span"]
    assert record.__dict__["facts"]["outgoing.count"] == 1


def test_requests_of_the_sentry_sdk_are_not_recorded() -> None:
    with sentry_sink() as sink, reporting_to(sink.dsn), observe("work") as work:
        sentry_sdk.capture_message("message")
        sentry_sdk.flush(TIMEOUT_S)
        assert len(sink.events) == 1
    assert recorded_requests(work) == []


@contextmanager
def reporting_to(dsn: str) -> Iterator[None]:
    """Let the Sentry SDK report to this DSN during the block."""
    before = sentry_sdk.get_global_scope().client
    sentry_sdk.init(dsn=dsn, default_integrations=False)
    try:
        yield
    finally:
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(before)


# Installation


def test_second_install_does_not_record_a_request_twice(get: Callable[..., int], service: OtherService) -> None:
    http_clients.install()
    http_clients.install_in_packages()
    with observe("work") as work:
        get(service.url("/status/200/"))
    assert recorded_requests(work) == [f"GET {service.host} 200"]


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_packages_are_imported_at_the_first_observation() -> None:
    answer = run(
        "import sys\n"
        "from observability.recorders import http_clients\n"
        "from observability.core.context import observe\n"
        "http_clients.install()\n"
        "print(*(name in sys.modules for name in ('httpx', 'urllib3')))\n"
        "with observe('work'):\n"
        "    print(*(name in sys.modules for name in ('httpx', 'urllib3')))\n"
    )
    assert (answer.stdout, answer.stderr) == ("False False\nTrue True\n", "")


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("ModuleNotFoundError(name)", ""),
        ("RuntimeError('broken')", "HTTP client recorder: requests of"),
    ],
)
def test_missing_or_broken_package_does_not_affect_the_others(failure: str, message: str) -> None:
    with other_service() as service:
        answer = run(
            "import sys, http.client\n"
            "class Absent:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name.partition('.')[0] in ('httpx', 'urllib3'):\n"
            f"            raise {failure}\n"
            "sys.meta_path.insert(0, Absent())\n"
            "from django.conf import settings\n"
            "settings.configure()\n"
            "from observability.recorders import http_clients\n"
            "from observability.core.context import observe\n"
            "http_clients.install()\n"
            "with observe('work') as work:\n"
            f"    connection = http.client.HTTPConnection('{service.host}')\n"
            "    connection.request('GET', '/status/200/')\n"
            "    connection.getresponse().read()\n"
            "print(work.outgoing_count)\n"
        )
    assert answer.stdout == "1\n"
    assert answer.stderr.startswith(message) if message else answer.stderr == ""


def test_first_observations_of_several_threads_wait_for_the_set_up() -> None:
    answer = run(
        "import threading\n"
        "from observability.recorders import http_clients\n"
        "from observability.core.context import observe\n"
        "http_clients.install()\n"
        "seen = []\n"
        "barrier = threading.Barrier(8)\n"
        "def work():\n"
        "    barrier.wait()\n"
        "    with observe('work'):\n"
        "        import httpx\n"
        "        seen.append(hasattr(httpx.HTTPTransport, 'handle_request_is_observed'))\n"
        "threads = [threading.Thread(target=work) for _ in range(8)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(seen)\n"
    )
    assert (answer.stdout, answer.stderr) == (f"{[True] * 8}\n", "")


def test_new_thread_has_no_observation(service: OtherService) -> None:
    with observe("work") as work:
        thread = threading.Thread(target=by_urllib3, args=(service.url("/status/200/"), {}, TIMEOUT_S))
        thread.start()
        thread.join()
    assert (len(service.requests), recorded_requests(work)) == (1, [])
