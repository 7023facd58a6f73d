"""The HTTP client recorder records requests of http.client (urllib.request, urllib3, requests) and of httpx.

The duration of an outgoing request includes connecting, and ends at the headers of the response or at the failure. Each
redirect, each retry and each request on a reused connection is one outgoing request. Method, host and status are
recorded, but never the path, the query string or the userinfo. The host includes the port if it is not the default
port. With a proxy, the host is the target. A request is not recorded if its response is never read.

The packages are imported and wrapped when the process opens its first observation, so a process that observes nothing
does not import them. Wrapping only packages that are already in `sys.modules` would miss the first request: it imports
the views, and the views import the packages.
"""

import functools
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
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
from observability.recorders.trace_propagation import format_host, trace_headers
from observability.text import safe_repr

Method = Callable[..., Any]

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_CAUSES = 10

_lock = threading.RLock()
_diagnostics = Diagnostics("HTTP client recorder:")


class OutgoingRequest:
    """An outgoing request that is not finished. The wrapped methods create it, and end it with a status or a failure.

    For http.client it is stored on the connection as `observed_request`. `is_requested` becomes true in http.client's
    `putrequest()`. It is false before, while urllib3 connects; the duration includes this time.
    """

    __slots__ = ("host", "is_requested", "method", "observation", "started_ns")

    def __init__(self, observation: Observation, method: str, host: str) -> None:
        self.observation = observation
        self.method = method
        self.host = host
        self.is_requested = False
        self.started_ns = perf_counter_ns()

    def end(self, outcome: int | str) -> None:
        """Record the step. `outcome` is the status, or the name of the exception that ended the request."""
        ended_ns = perf_counter_ns()
        text = f"{self.method} {self.host} {outcome}"
        step = Step("http_client", text, self.host, (ended_ns - self.started_ns) / 1e6, ended_ns=ended_ns)
        self.observation.add_step(step)
        if self.observation.timeline is not None:
            self.observation.timeline.add(step)


def install() -> None:
    """Record outgoing requests from now on. Safe to call twice."""
    if not hasattr(HTTPConnection, "observed_request"):
        HTTPConnection.observed_request = None  # type: ignore[attr-defined]
    _wrap(HTTPConnection, "putrequest", _putrequest)
    _wrap(HTTPConnection, "endheaders", _endheaders)
    _wrap(HTTPConnection, "getresponse", _getresponse)
    on_first_observation(install_in_packages)


def install_in_packages() -> None:
    """Import urllib3 and httpx if they are installed, and wrap their methods."""
    with _lock:
        if (pools := _import_if_installed("urllib3.connectionpool")) is not None:
            _wrap(getattr(pools, "HTTPConnectionPool", None), "_make_request", _make_request)
            _wrap(getattr(pools, "HTTPSConnectionPool", None), "_prepare_proxy", _prepare_proxy)
        if (httpx := _import_if_installed("httpx")) is not None:
            _wrap(getattr(httpx, "HTTPTransport", None), "handle_request", _handle_request)
            _wrap(getattr(httpx, "AsyncHTTPTransport", None), "handle_async_request", _handle_async_request)


def _import_if_installed(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:
        return None
    except Exception as error:  # noqa: BLE001 - a broken package must not break work that does not use it
        _diagnostics.write(f"requests of {name} are not recorded, because its import failed: {safe_repr(error)}")
        return None


def _wrap(owner: type | None, name: str, wrapper: Callable[[Method], Method]) -> None:
    """Wrap a method, once per process. No-op if this version of the package does not have the method."""
    method = vars(owner).get(name) if owner is not None else None
    mark = f"{name}_is_observed"
    if method is None or hasattr(owner, mark):
        return
    setattr(owner, name, functools.wraps(method)(wrapper(method)))
    setattr(owner, mark, True)


def _putrequest(original: Method) -> Method:
    def putrequest(self: Any, method: str, url: str, *arguments: object, **options: object) -> object:  # noqa: ANN401
        # The original only writes to a buffer, so it can run before the request is recorded.
        result = original(self, method, url, *arguments, **options)
        observation = current()
        outgoing: OutgoingRequest | None = self.observed_request
        if observation is None:
            self.observed_request = None
            return result
        if outgoing is None or outgoing.is_requested:
            self.observed_request = outgoing = OutgoingRequest(observation, method, _find_host(self, url))
        outgoing.is_requested = True
        return result

    return putrequest


def _endheaders(original: Method) -> Method:
    def endheaders(self: Any, *arguments: object, **options: object) -> object:  # noqa: ANN401
        outgoing: OutgoingRequest | None = self.observed_request
        if outgoing is None:
            return original(self, *arguments, **options)
        for name, value in trace_headers(outgoing.host, outgoing.observation).items():
            if not _has_header(self, name):
                self.putheader(name, value)
        with _EndOnFailure(self):
            return original(self, *arguments, **options)

    return endheaders


def _getresponse(original: Method) -> Method:
    def getresponse(self: Any, *arguments: object, **options: object) -> object:  # noqa: ANN401
        if self.observed_request is None:
            return original(self, *arguments, **options)
        with _EndOnFailure(self):
            response = original(self, *arguments, **options)
        _end(self, response.status)
        return response

    return getresponse


def _make_request(original: Method) -> Method:
    """Wrap urllib3's `_make_request`: it connects with TLS before http.client's request, and sends the body after."""

    def make_request(self: Any, conn: Any, method: str, url: str, *arguments: object, **options: object) -> object:  # noqa: ANN401
        observation = current()
        if observation is None or not isinstance(conn, HTTPConnection):
            return original(self, conn, method, url, *arguments, **options)
        outgoing = _find_started_request(conn, observation) or OutgoingRequest(observation, method, "")
        outgoing.method, outgoing.host = method, _find_host(conn, url)
        conn.observed_request = outgoing  # type: ignore[attr-defined]
        with _EndOnFailure(conn):
            response = original(self, conn, method, url, *arguments, **options)
        _end(conn, response.status)  # HTTP/2 does not call http.client's getresponse()
        return response

    return make_request


def _prepare_proxy(original: Method) -> Method:
    """Wrap urllib3's `_prepare_proxy`: it opens a tunnel before the request. A failed tunnel is a CONNECT request."""

    def prepare_proxy(self: Any, conn: Any, *arguments: object, **options: object) -> object:  # noqa: ANN401
        observation = current()
        if observation is None or not isinstance(conn, HTTPConnection):
            return original(self, conn, *arguments, **options)
        host = format_host(self.host, self.port, DEFAULT_PORTS["https"])
        conn.observed_request = OutgoingRequest(observation, "CONNECT", host)  # type: ignore[attr-defined]
        with _EndOnFailure(conn):
            return original(self, conn, *arguments, **options)

    return prepare_proxy


def _handle_request(original: Method) -> Method:
    def handle_request(self: Any, request: Any) -> Any:  # noqa: ANN401
        observation = current()
        if observation is None:
            return original(self, request)
        outgoing = OutgoingRequest(observation, request.method, format_host(request.url.host, request.url.port))
        handled = sys.exception()
        try:
            response = original(self, _with_trace_headers(request, outgoing))
        except BaseException as error:
            outgoing.end(find_error_name(error, handled))
            raise
        outgoing.end(response.status_code)
        return response

    return handle_request


def _handle_async_request(original: Callable[..., Awaitable[Any]]) -> Method:
    async def handle_async_request(self: Any, request: Any) -> Any:  # noqa: ANN401
        observation = current()
        if observation is None:
            return await original(self, request)
        outgoing = OutgoingRequest(observation, request.method, format_host(request.url.host, request.url.port))
        handled = sys.exception()
        try:
            response = await original(self, _with_trace_headers(request, outgoing))
        except BaseException as error:
            outgoing.end(find_error_name(error, handled))
            raise
        outgoing.end(response.status_code)
        return response

    return handle_async_request


class _EndOnFailure(AbstractContextManager[None]):
    """End the outgoing request of a connection if the block raises."""

    __slots__ = ("_connection", "_handled")

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - a connection of http.client or urllib3
        self._connection = connection
        self._handled = sys.exception()

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None:
            _end(self._connection, find_error_name(error, self._handled))


def _find_started_request(connection: Any, observation: Observation) -> OutgoingRequest | None:  # noqa: ANN401
    """Return the outgoing request that started when the tunnel to its host was opened, or None."""
    outgoing: OutgoingRequest | None = connection.observed_request
    return (
        outgoing if outgoing is not None and not outgoing.is_requested and outgoing.observation is observation else None
    )


def _end(connection: Any, outcome: int | str) -> None:  # noqa: ANN401
    outgoing: OutgoingRequest | None = connection.observed_request
    if outgoing is not None:
        connection.observed_request = None
        outgoing.end(outcome)


def _has_header(connection: Any, name: str) -> bool:  # noqa: ANN401
    """Return whether the application set the header. http.client keeps unsent header lines in `_buffer`."""
    start = f"{name.lower()}:".encode()
    return any(bytes(line).lower().startswith(start) for line in getattr(connection, "_buffer", ()))


def _with_trace_headers(request: Any, outgoing: OutgoingRequest) -> Any:  # noqa: ANN401
    """Return a copy of httpx's request with the trace headers of its host.

    The original is not changed, because httpx reuses its headers for a redirect to another host.
    """
    absent = {
        name: value
        for name, value in trace_headers(outgoing.host, outgoing.observation).items()
        if name not in request.headers
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


def _find_host(connection: Any, url: str) -> str:  # noqa: ANN401
    """Return the target host of a request, also if it goes through a proxy (with a complete URL, or with a tunnel)."""
    if url.startswith("http"):
        with suppress(ValueError):
            parts = urlsplit(url)
            if parts.hostname:
                return format_host(parts.hostname, parts.port, DEFAULT_PORTS.get(parts.scheme))
    if connection._tunnel_host:  # noqa: SLF001
        return format_host(connection._tunnel_host, connection._tunnel_port, connection.default_port)  # noqa: SLF001
    return format_host(connection.host, connection.port, connection.default_port)


def find_error_name(error: BaseException, handled: BaseException | None) -> str:
    """Return the type name of the exception, or of the socket error that caused it.

    `handled` is an exception that the application was already handling when the request started. It is in the chain of
    contexts, but is not a cause of this failure.
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
