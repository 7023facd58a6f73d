"""The recorder of calls to other services: by http.client, and so by urllib.request, urllib3 and requests; by httpx.

A call lasts from the start of its request, the connection included, to the headers of the answer, or to its failure.
Each request is one: those of a connection that is used again, of redirects and of retries. Kept are method, host and
status, never path, query string or userinfo; the host has its port where that is not its scheme's. A proxy is not the
host: where one is asked, the host is the one that is asked for. A request whose answer nobody waits for is no call.

The packages are wrapped when the first unit of work begins, not at the start: what observes nothing does not import
them for this. Looking for them in `sys.modules` instead would miss the first request of each process, which imports the
views, and they the packages.
"""

import functools
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http.client import HTTPConnection
from importlib import import_module
from time import perf_counter_ns
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from observability.core.context import current, on_first_observation
from observability.core.diagnostics import Diagnostics
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.recorders.trace_propagation import trace_headers
from observability.text import safe_repr

Method = Callable[..., Any]

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_CAUSES = 10

_lock = threading.RLock()
_diagnostics = Diagnostics("HTTP client recorder:")


class OutgoingRequest:
    """A request under way. The wrapped methods make it, and end it once: by the answer, or by what failed.

    It stands on its connection as `observed_call` meanwhile, where http.client makes it. `is_requested` is whether
    http.client has its request already: urllib3 connects before that, and a call begins there.
    """

    __slots__ = ("host", "is_requested", "method", "observation", "started_ns")

    def __init__(self, observation: Observation, method: str, host: str) -> None:
        self.observation = observation
        self.method = method
        self.host = host
        self.is_requested = False
        self.started_ns = perf_counter_ns()

    def end(self, outcome: int | str) -> None:
        """Record it with its status, or the name of the exception that ended it."""
        ended = perf_counter_ns()
        text = f"{self.method} {self.host} {outcome}"
        step = Step("http_client", text, self.host, (ended - self.started_ns) / 1e6, ended_ns=ended)
        self.observation.add_step(step)
        if self.observation.timeline is not None:
            self.observation.timeline.add(step)


def install() -> None:
    """Record calls from now on; a second call changes nothing."""
    if not hasattr(HTTPConnection, "observed_call"):
        HTTPConnection.observed_call = None  # type: ignore[attr-defined]
    _wrap(HTTPConnection, "putrequest", _putrequest)
    _wrap(HTTPConnection, "endheaders", _endheaders)
    _wrap(HTTPConnection, "getresponse", _getresponse)
    on_first_observation(install_in_packages)


def install_in_packages() -> None:
    """Record the calls of urllib3 and httpx where they are installed; both are imported."""
    with _lock:
        if (pools := _imported("urllib3.connectionpool")) is not None:
            _wrap(getattr(pools, "HTTPConnectionPool", None), "_make_request", _make_request)
            _wrap(getattr(pools, "HTTPSConnectionPool", None), "_prepare_proxy", _prepare_proxy)
        if (httpx := _imported("httpx")) is not None:
            _wrap(getattr(httpx, "HTTPTransport", None), "handle_request", _handle_request)
            _wrap(getattr(httpx, "AsyncHTTPTransport", None), "handle_async_request", _handle_async_request)


def _imported(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:
        return None
    except Exception as error:  # noqa: BLE001 - a package that is broken must not break work that does not use it
        _diagnostics.write(f"cannot record requests of {name}: {safe_repr(error)}")
        return None


def _wrap(owner: type | None, name: str, wrapper: Callable[[Method], Method]) -> None:
    """Replace a method by a wrapped one, once per process; a version of the package without it stays as it is."""
    method = vars(owner).get(name) if owner is not None else None
    mark = f"{name}_is_observed"
    if method is None or hasattr(owner, mark):
        return
    setattr(owner, name, functools.wraps(method)(wrapper(method)))
    setattr(owner, mark, True)


def _putrequest(original: Method) -> Method:
    def putrequest(self: Any, method: str, url: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        # It only writes into a buffer, or refuses to.
        result = original(self, method, url, *arguments, **options)
        observation = current()
        call: OutgoingRequest | None = self.observed_call
        if observation is None:
            if call is not None:
                self.observed_call = None
            return result
        if call is None or call.is_requested:
            self.observed_call = call = OutgoingRequest(observation, method, _host_asked(self, url))
        call.is_requested = True
        return result

    return putrequest


def _endheaders(original: Method) -> Method:
    def endheaders(self: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        call: OutgoingRequest | None = self.observed_call
        if call is None:
            return original(self, *arguments, **options)
        for name, value in trace_headers(call.host, call.observation).items():
            if not _has_header(self, name):
                self.putheader(name, value)
        handled = sys.exception()
        try:
            return original(self, *arguments, **options)
        except BaseException as error:
            _end(self, find_error_name(error, handled))
            raise

    return endheaders


def _getresponse(original: Method) -> Method:
    def getresponse(self: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        if self.observed_call is None:
            return original(self, *arguments, **options)
        handled = sys.exception()
        try:
            response = original(self, *arguments, **options)
        except BaseException as error:
            _end(self, find_error_name(error, handled))
            raise
        _end(self, response.status)
        return response

    return getresponse


def _make_request(original: Method) -> Method:
    """Of urllib3, which connects by TLS before http.client hears of the request, and sends its body past it."""

    def make_request(self: Any, conn: Any, method: str, url: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        observation = current()
        if observation is None or not isinstance(conn, HTTPConnection):
            return original(self, conn, method, url, *arguments, **options)
        call = _begun(conn, observation) or OutgoingRequest(observation, method, "")
        call.method, call.host = method, _host_asked(conn, url)
        conn.observed_call = call  # type: ignore[attr-defined]
        handled = sys.exception()
        try:
            response = original(self, conn, method, url, *arguments, **options)
        except BaseException as error:
            _end(conn, find_error_name(error, handled))
            raise
        # Only where getresponse() of http.client was none of it, as in HTTP/2.
        _end(conn, response.status)
        return response

    return make_request


def _prepare_proxy(original: Method) -> Method:
    """Of urllib3, which opens the tunnel before the request; a tunnel that fails is a call by CONNECT."""

    def prepare_proxy(self: Any, conn: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        observation = current()
        if observation is None or not isinstance(conn, HTTPConnection):
            return original(self, conn, *arguments, **options)
        host = format_host(self.host, self.port, DEFAULT_PORTS["https"])
        conn.observed_call = OutgoingRequest(observation, "CONNECT", host)  # type: ignore[attr-defined]
        handled = sys.exception()
        try:
            return original(self, conn, *arguments, **options)
        except BaseException as error:
            _end(conn, find_error_name(error, handled))
            raise

    return prepare_proxy


def _handle_request(original: Method) -> Method:
    def handle_request(self: Any, request: Any) -> Any:  # noqa: ANN401
        observation = current()
        if observation is None:
            return original(self, request)
        call = OutgoingRequest(observation, request.method, format_host(request.url.host, request.url.port))
        handled = sys.exception()
        try:
            response = original(self, _passed_on(request, call))
        except BaseException as error:
            call.end(find_error_name(error, handled))
            raise
        call.end(response.status_code)
        return response

    return handle_request


def _handle_async_request(original: Callable[..., Awaitable[Any]]) -> Method:
    async def handle_async_request(self: Any, request: Any) -> Any:  # noqa: ANN401
        observation = current()
        if observation is None:
            return await original(self, request)
        call = OutgoingRequest(observation, request.method, format_host(request.url.host, request.url.port))
        handled = sys.exception()
        try:
            response = await original(self, _passed_on(request, call))
        except BaseException as error:
            call.end(find_error_name(error, handled))
            raise
        call.end(response.status_code)
        return response

    return handle_async_request


def _begun(connection: Any, observation: Observation) -> OutgoingRequest | None:  # noqa: ANN401
    """The call that began with the tunnel to its host."""
    call: OutgoingRequest | None = connection.observed_call
    return call if call is not None and not call.is_requested and call.observation is observation else None


def _end(connection: Any, outcome: int | str) -> None:  # noqa: ANN401
    call: OutgoingRequest | None = connection.observed_call
    if call is not None:
        connection.observed_call = None
        call.end(outcome)


def _has_header(connection: Any, name: str) -> bool:  # noqa: ANN401
    """Whether the caller put the header: http.client keeps the lines of a request in `_buffer` until they are sent."""
    start = f"{name.lower()}:".encode()
    return any(bytes(line).lower().startswith(start) for line in getattr(connection, "_buffer", ()))


def _passed_on(request: Any, call: OutgoingRequest) -> Any:  # noqa: ANN401
    """The request of httpx with the headers of its host; a copy, since httpx takes those of a request to a redirect."""
    absent = {
        name: value for name, value in trace_headers(call.host, call.observation).items() if name not in request.headers
    }
    if not absent:
        return request
    return type(request)(
        request.method,
        request.url,
        headers=[*request.headers.raw, *absent.items()],
        stream=request.stream,
        extensions=request.extensions,
    )


def _host_asked(connection: Any, url: str) -> str:  # noqa: ANN401
    """The host that a request is for: a proxy is asked for a whole URL, or for a tunnel."""
    if url.startswith("http"):
        with suppress(ValueError):
            parts = urlsplit(url)
            if parts.hostname:
                return format_host(parts.hostname, parts.port, DEFAULT_PORTS.get(parts.scheme))
    if connection._tunnel_host:  # noqa: SLF001
        return format_host(connection._tunnel_host, connection._tunnel_port, connection.default_port)  # noqa: SLF001
    return format_host(connection.host, connection.port, connection.default_port)


def format_host(host: str, port: int | None, default_port: int | None = None) -> str:
    """A host as it is shown and compared: in small letters, without userinfo, its port where it is not the default."""
    name = host.rpartition("@")[2].rstrip(".").lower()
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return name if port is None or port == default_port else f"{name}:{port}"


def find_error_name(error: BaseException, handled: BaseException | None) -> str:
    """The type of the exception; of one that a client made of an error of the socket, that error's.

    `handled` is what the caller handles while it calls: it is in the chain too, and is not of this call.
    """
    name = type(error).__qualname__
    cause: BaseException | None = error if isinstance(error, Exception) else None
    for _ in range(MAX_CAUSES):
        if cause is None or cause is handled:
            break
        if isinstance(cause, OSError):
            name = type(cause).__qualname__
        cause = cause.__cause__ or cause.__context__
    return name
