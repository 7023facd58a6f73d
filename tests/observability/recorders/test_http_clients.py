"""The recorder of calls to other services, by real clients against real servers."""

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
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call without the proxy of the machine that the tests run on."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=CLIENTS)
def get(request: pytest.FixtureRequest) -> Callable[..., int]:
    """A client's way to get a URL and to return the status."""

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


def calls(observation: Observation) -> list[str]:
    assert observation.outgoing_count == len([step for step in observation.last_steps if step.kind == "http_client"])
    return [step.text for step in observation.last_steps if step.kind == "http_client"]


# What is recorded


def test_call_is_method_host_and_status(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work:
        assert get(service.url("/status/200/some/path?token=secret#part")) == 200
    (step,) = [step for step in work.last_steps if step.kind == "http_client"]
    assert step == Step("http_client", f"GET {service.host} 200", service.host, step.duration_ms, "", step.ended_ns)
    assert work.outgoing_duration_ms == step.duration_ms > 0


def test_answer_that_refuses_is_a_call_with_its_status(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work:
        assert get(service.url("/status/503/")) == 503
    assert calls(work) == [f"GET {service.host} 503"]


def test_redirect_is_a_call_of_its_own(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work, other_service() as second:
        status = get(service.url(f"/to/{second.url('/status/200/')}"))
    followed = [f"GET {second.host} 200"] if status == 200 else []
    assert calls(work) == [f"GET {service.host} 302", *followed]


def test_answer_in_chunks_is_one_call(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work:
        get(service.url("/chunked/"))
    assert calls(work) == [f"GET {service.host} 200"]


def test_answer_of_http_1_0_is_one_call(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work:
        get(service.url("/old/"))
    assert calls(work) == [f"GET {service.host} 200"]


def test_connection_that_is_refused_is_a_call(get: Callable[..., int]) -> None:
    port = free_port()
    with observe("work") as work, pytest.raises((OSError, urllib3.exceptions.HTTPError, httpx.ConnectError)):
        get(f"http://127.0.0.1:{port}/")
    assert calls(work) == [f"GET 127.0.0.1:{port} ConnectionRefusedError"]


def test_server_that_does_not_answer_in_time_is_a_call(get: Callable[..., int]) -> None:
    with (
        silent_service() as port,
        observe("work") as work,
        pytest.raises((OSError, urllib3.exceptions.HTTPError, httpx.ReadTimeout)),
    ):
        get(f"http://127.0.0.1:{port}/", timeout=0.2)
    assert calls(work) == [f"GET 127.0.0.1:{port} TimeoutError"]


def test_name_that_is_not_known_is_a_call(get: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with observe("work") as work, pytest.raises((OSError, urllib3.exceptions.HTTPError, httpx.ConnectError)):
        get("http://api.example.com/")
    assert calls(work) == ["GET api.example.com gaierror"]


def test_server_that_hangs_up_is_a_call(get: Callable[..., int], service: OtherService) -> None:
    with (
        observe("work") as work,
        pytest.raises((OSError, urllib3.exceptions.HTTPError, httpx.RemoteProtocolError)),
    ):
        get(service.url("/broken/"))
    (text,) = calls(work)
    assert text in {f"GET {service.host} RemoteDisconnected", f"GET {service.host} RemoteProtocolError"}


def test_call_outside_of_work_is_not_recorded(get: Callable[..., int], service: OtherService) -> None:
    with observe("work") as work, activate(None):
        assert get(service.url("/status/200/")) == 200
    assert calls(work) == []


def test_call_counts_in_the_work_around_its_work(get: Callable[..., int], service: OtherService) -> None:
    with observe("outer") as outer, observe("inner") as inner:
        get(service.url("/status/200/"))
    assert calls(outer) == calls(inner) == [f"GET {service.host} 200"]


def test_exception_of_a_failed_call_is_the_clients_own() -> None:
    port = free_port()
    with pytest.raises(ConnectionRefusedError) as outside:
        CLIENTS["http.client"](f"http://127.0.0.1:{port}/", {}, TIMEOUT_S)
    with observe("work"), pytest.raises(ConnectionRefusedError) as inside:
        CLIENTS["http.client"](f"http://127.0.0.1:{port}/", {}, TIMEOUT_S)
    assert (inside.value.args, inside.value.__cause__) == (outside.value.args, None)


# Connections


def test_connection_that_is_used_again_counts_each_request(service: OtherService) -> None:
    with closing(http.client.HTTPConnection(service.host)) as connection, observe("work") as work:
        for status in (200, 404):
            connection.request("GET", f"/status/{status}/")
            connection.getresponse().read()
    assert calls(work) == [f"GET {service.host} 200", f"GET {service.host} 404"]


def test_connection_belongs_to_whoever_asks_now(service: OtherService) -> None:
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
    assert (calls(first), calls(second)) == ([], [f"GET {service.host} 404"])


def test_pool_of_urllib3_counts_each_request(service: OtherService) -> None:
    with urllib3.PoolManager() as pool, observe("work") as work:
        for status in (200, 404):
            pool.request("GET", service.url(f"/status/{status}/"))
        (connections,) = (each.num_connections for each in pool.pools._container.values())
    assert (connections, calls(work)) == (1, [f"GET {service.host} 200", f"GET {service.host} 404"])


def test_retries_are_calls_of_their_own() -> None:
    port = free_port()
    with urllib3.PoolManager() as pool, observe("work") as work, pytest.raises(urllib3.exceptions.MaxRetryError):
        pool.request("GET", f"http://127.0.0.1:{port}/", retries=2)
    assert calls(work) == [f"GET 127.0.0.1:{port} ConnectionRefusedError"] * 3


@pytest.mark.parametrize("body", [b"x" * 100_000, iter([b"one", b"two"])], ids=["whole", "chunks"])
def test_body_that_is_sent_is_part_of_its_call(service: OtherService, body: Any) -> None:  # noqa: ANN401
    with requests.Session() as session, observe("work") as work:
        headers = {} if isinstance(body, bytes) else {"Connection": "close"}
        session.post(service.url("/status/201/"), data=body, headers=headers, timeout=TIMEOUT_S)
    assert calls(work) == [f"POST {service.host} 201"]


def test_answer_that_is_not_read_is_a_call_and_keeps_nothing(service: OtherService) -> None:
    work = Observation("span", "work")
    with requests.Session() as session, activate(work):
        answer = session.get(service.url("/status/200/"), stream=True, timeout=TIMEOUT_S)
    assert calls(work) == [f"GET {service.host} 200"]
    answer.close()
    gone = weakref.ref(work)
    del work
    gc.collect()
    assert gone() is None


def test_request_that_http_client_refuses_is_no_call(service: OtherService) -> None:
    with closing(http.client.HTTPConnection(service.host)) as connection, observe("work") as work:
        with pytest.raises(http.client.InvalidURL):
            connection.request("GET", "/with space")
        connection.close()
    assert calls(work) == []


# Proxies and TLS


def test_host_behind_a_tunnel_is_the_targets(service: OtherService) -> None:
    with other_service() as proxy, closing(http.client.HTTPConnection(proxy.host)) as connection:
        connection.set_tunnel("127.0.0.1", service.port)
        with observe("work") as work:
            connection.request("GET", "/status/200/")
            connection.getresponse().read()
    assert calls(work) == [f"GET {service.host} 200"]


@pytest.mark.parametrize("name", ["urllib3", "requests", "httpx"])
def test_host_behind_a_proxy_that_forwards_is_the_targets(service: OtherService, name: str) -> None:
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
    assert calls(work) == [f"GET {service.host} 200"]


def get_by_tls(name: str, service: OtherService, certificate: Path | None) -> None:
    """Ask by TLS; a certificate is the one that is trusted."""
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


by_tls = pytest.mark.parametrize("name", ["http.client", "urllib3", "requests", "httpx"])


@by_tls
def test_call_by_tls_is_recorded(certificate: Path, name: str) -> None:
    with other_service(certificate) as service, observe("work") as work:
        get_by_tls(name, service, certificate)
    assert calls(work) == [f"GET {service.host} 200"]


@by_tls
def test_certificate_that_is_not_trusted_is_a_call(certificate: Path, name: str) -> None:
    failures = (OSError, urllib3.exceptions.HTTPError, httpx.ConnectError)
    with other_service(certificate) as service, observe("work") as work, pytest.raises(failures):
        get_by_tls(name, service, None)
    assert calls(work) == [f"GET {service.host} SSLCertVerificationError"]


@pytest.mark.parametrize("name", ["http.client", "urllib3", "requests"])
def test_connecting_by_tls_is_part_of_the_duration(
    certificate: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns, connect = [0], socket.socket.connect

    def connect_within_a_second(self: socket.socket, address: tuple[str, int]) -> None:
        now_ns[0] += 1_000_000_000
        connect(self, address)

    monkeypatch.setattr(http_clients, "perf_counter_ns", lambda: now_ns[0])
    with other_service(certificate) as service, observe("work") as work:
        monkeypatch.setattr(socket.socket, "connect", connect_within_a_second)
        get_by_tls(name, service, certificate)
    assert work.outgoing_duration_ms == 1000.0


def test_tunnel_of_urllib3_is_part_of_its_call(certificate: Path) -> None:
    trusted = ssl.create_default_context(cafile=certificate)
    with other_service(certificate) as service, other_service() as proxy:
        url = service.url("/status/200/").replace("http:", "https:")
        with urllib3.ProxyManager(proxy.url(""), ssl_context=trusted) as pool, observe("work") as work:
            pool.request("GET", url)
            pool.request("GET", url)
    assert calls(work) == [f"GET {service.host} 200"] * 2


def test_tunnel_that_fails_is_one_call_by_connect(service: OtherService) -> None:
    with (
        urllib3.ProxyManager(service.url("")) as pool,
        observe("work") as work,
        pytest.raises(urllib3.exceptions.ProxyError),
    ):
        pool.request("GET", "https://127.0.0.1:1/", retries=False)
    assert calls(work) == ["CONNECT 127.0.0.1:1 OSError"]


# Threads and tasks


def test_threads_that_inherit_the_work_count_in_it(service: OtherService) -> None:
    with observe("work") as work, ThreadPoolExecutor(4) as pool:
        for _ in range(8):
            pool.submit(copy_context().run, by_requests, service.url("/status/200/"), {}, TIMEOUT_S)
    assert calls(work) == [f"GET {service.host} 200"] * 8


def test_tasks_that_inherit_the_work_count_in_it(service: OtherService) -> None:
    async def gather() -> Observation:
        url = service.url("/status/200/")
        with observe("work") as work:
            async with httpx.AsyncClient() as client:
                await asyncio.gather(*(client.get(url) for _ in range(3)), sync_to_async(by_requests)(url, {}, 10))
        return work

    assert calls(asyncio.run(gather())) == [f"GET {service.host} 200"] * 4


def test_task_that_is_cancelled_leaves_its_call() -> None:
    async def cancel(port: int) -> Observation:
        with observe("work") as work:
            async with httpx.AsyncClient() as client:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.get(f"http://127.0.0.1:{port}/"), 0.2)
        return work

    with silent_service() as port:
        assert calls(asyncio.run(cancel(port))) == [f"GET 127.0.0.1:{port} CancelledError"]


def test_call_that_ends_after_its_work_is_dropped(service: OtherService) -> None:
    with observe("work") as work, closing(http.client.HTTPConnection(service.host)) as connection:
        connection.request("GET", "/status/200/")
        work.close()
        connection.getresponse().read()
    assert calls(work) == []


# What is passed on


@pytest.fixture
def passed_on(service: OtherService, settings: Settings) -> OtherService:
    """A service that the setting names."""
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"PROPAGATE_TO": [service.host]}
    return service


def test_ids_are_passed_on_to_a_host_that_is_named(get: Callable[..., int], passed_on: OtherService) -> None:
    with observe("work") as work:
        get(passed_on.url("/status/200/"))
    (headers,) = passed_on.requests
    assert headers.get_all("traceparent") == [f"00-{work.trace_id}-{work.span_id}-01"]
    assert headers.get_all("X-Request-ID") == [work.request_id]


def test_ids_are_passed_on_nowhere_by_default(get: Callable[..., int], service: OtherService) -> None:
    with observe("work"):
        get(service.url("/status/200/"))
    (headers,) = service.requests
    assert ("traceparent" in headers, "X-Request-ID" in headers) == (False, False)


def test_ids_are_not_passed_on_by_a_redirect_to_another_host(get: Callable[..., int], passed_on: OtherService) -> None:
    with observe("work"), other_service() as other:
        get(passed_on.url(f"/to/{other.url('/status/200/')}"))
        get(other.url("/status/200/"))
    assert "traceparent" in passed_on.requests[0]
    assert [name for headers in other.requests for name in ("traceparent", "X-Request-ID") if name in headers] == []


def test_ids_that_the_caller_set_stay(get: Callable[..., int], passed_on: OtherService) -> None:
    with observe("work") as work:
        get(passed_on.url("/status/200/"), headers={"x-request-id": "callers-own"})
    (headers,) = passed_on.requests
    assert headers.get_all("X-Request-ID") == ["callers-own"]
    assert headers.get_all("traceparent") == [f"00-{work.trace_id}-{work.span_id}-01"]


def test_ids_are_passed_on_outside_of_work_to_nobody(get: Callable[..., int], passed_on: OtherService) -> None:
    get(passed_on.url("/status/200/"))
    assert "traceparent" not in passed_on.requests[0]


def test_id_that_no_header_can_hold_does_not_break_the_call(get: Callable[..., int], passed_on: OtherService) -> None:
    work = Observation("span", "work", request_id="one\r\nX-Admin: yes")
    with activate(work):
        assert get(passed_on.url("/status/200/")) == 200
    work.close()
    (headers,) = passed_on.requests
    assert ("X-Request-ID" in headers, "X-Admin" in headers, "traceparent" in headers) == (False, False, True)


def test_body_of_a_call_that_passes_ids_on_arrives(passed_on: OtherService) -> None:
    with observe("work"), httpx.Client() as client:
        client.post(passed_on.url("/status/200/"), json={"a": 1}).raise_for_status()
    (headers,) = passed_on.requests
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
def test_host_is_named_as_one_would_write_it(host: str, port: int | None, default_port: int | None, named: str) -> None:
    assert format_host(host, port, default_port) == named


def test_userinfo_of_a_url_is_not_recorded(service: OtherService) -> None:
    with observe("work") as work:
        by_requests(f"http://ada:secret@{service.host}/status/200/", {}, TIMEOUT_S)
        by_httpx(f"http://ada:secret@{service.host}/status/200/", {}, TIMEOUT_S)
    assert calls(work) == [f"GET {service.host} 200"] * 2


def test_error_with_causes_that_are_endless_has_a_name() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert find_error_name(first, None) == "ValueError"


def test_error_that_the_caller_handles_meanwhile_is_not_the_calls(service: OtherService) -> None:
    def call_in_spite_of_an_error() -> None:
        try:
            raise PermissionError
        except PermissionError:
            by_http_client(service.url("/broken/"), {}, TIMEOUT_S)

    with observe("work") as work, pytest.raises(http.client.RemoteDisconnected):
        call_in_spite_of_an_error()
    assert calls(work) == [f"GET {service.host} RemoteDisconnected"]


# Where it is shown


@pytest.mark.django_db
@pytest.mark.urls("tests.probe.urls")
def test_access_line_counts_the_calls_of_its_request(
    client: Client, service: OtherService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "observability.access")
    answer = client.get("/calling/2/", {"port": service.port})
    (record,) = [each for each in caplog.records if each.name == "observability.access"]
    facts = record.__dict__["facts"]
    assert facts["outgoing.count"] == 2
    assert facts["duration_ms"] > facts["outgoing.duration_ms"] > 0
    assert re.search(r', outgoing;dur=\d+\.\d;desc="2 requests"', answer.headers["Server-Timing"])


def test_line_of_work_counts_its_calls(service: OtherService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "observability.span")
    with observe("work"):
        by_http_client(service.url("/status/200/"), {}, TIMEOUT_S)
    (record,) = [each for each in caplog.records if each.name == "observability.span"]
    assert record.__dict__["facts"]["outgoing.count"] == 1


def test_what_sentry_sends_is_no_call_of_the_work() -> None:
    with sentry_sink() as sink, reporting_to(sink.dsn), observe("work") as work:
        sentry_sdk.capture_message("told")
        sentry_sdk.flush(TIMEOUT_S)
        assert len(sink.events) == 1
    assert calls(work) == []


@contextmanager
def reporting_to(dsn: str) -> Iterator[None]:
    """Report to this DSN until the block ends."""
    before = sentry_sdk.get_global_scope().client
    sentry_sdk.init(dsn=dsn, default_integrations=False)
    try:
        yield
    finally:
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(before)


# Installation


def test_installing_twice_records_once(get: Callable[..., int], service: OtherService) -> None:
    http_clients.install()
    http_clients.install_in_packages()
    with observe("work") as work:
        get(service.url("/status/200/"))
    assert calls(work) == [f"GET {service.host} 200"]


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_packages_are_imported_for_the_first_work_and_not_before() -> None:
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
    ("failure", "told"),
    [
        ("ModuleNotFoundError(name)", ""),
        ("RuntimeError('broken')", "HTTP client recorder: cannot record requests of"),
    ],
)
def test_package_that_is_absent_or_broken_leaves_the_others(failure: str, told: str) -> None:
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
    assert answer.stderr.startswith(told) if told else answer.stderr == ""


def test_threads_that_begin_work_at_once_wait_for_the_packages() -> None:
    answer = run(
        "import threading\n"
        "from observability.recorders import http_clients\n"
        "from observability.core.context import observe\n"
        "http_clients.install()\n"
        "seen = []\n"
        "together = threading.Barrier(8)\n"
        "def work():\n"
        "    together.wait()\n"
        "    with observe('work'):\n"
        "        import httpx\n"
        "        seen.append(hasattr(httpx.HTTPTransport, 'handle_request_is_observed'))\n"
        "threads = [threading.Thread(target=work) for _ in range(8)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(seen)\n"
    )
    assert (answer.stdout, answer.stderr) == (f"{[True] * 8}\n", "")


def test_new_thread_belongs_to_no_work(service: OtherService) -> None:
    with observe("work") as work:
        thread = threading.Thread(target=by_urllib3, args=(service.url("/status/200/"), {}, TIMEOUT_S))
        thread.start()
        thread.join()
    assert (len(service.requests), calls(work)) == (1, [])
