"""One HTTP request is one observation, from its first middleware to the last byte of its response."""

import asyncio
import contextvars
import re
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import LazyObject, empty

from observability.conf import configuration
from observability.core.context import activate, open_observation
from observability.core.http_attributes import HttpAttributes
from observability.core.observation import Observation
from observability.core.readers import Headers, readers
from observability.core.trace_context import TraceParent
from observability.recorders.client_address import client_address

# What nginx logs for a client that went away before it was answered; no status was sent.
CLIENT_CLOSED_REQUEST = 499

MAX_PATH = 2048
MAX_USER_AGENT = 512

Result = TypeVar("Result")
GetResponse = Callable[[HttpRequest], HttpResponseBase]
GetResponseAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

_request_id = re.compile(r"[A-Za-z0-9._-]{8,128}")


class ObservationMiddleware:
    """Opens the observation of a request, and closes it when the response is closed.

    The end of the middleware is not the end of the work: a streaming body runs after it, and Django logs 4xx and 5xx
    after it. So it must be the first in MIDDLEWARE, for WSGI and ASGI alike. The observation stands on the request, as
    `request.observation`, for log records that come when it is not the current one any more.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse | GetResponseAsync) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        # A hook of the other kind would cost each request a change of threads.
        self.process_view = self._note_route_async if self.is_async else self._note_route
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        exchange = _Exchange(request)
        if self.is_async:
            return self._observe_async(exchange)
        # A copy of the context: whatever the request sets in it, threads that serve the next one never see.
        exchange.observation.context = context = contextvars.copy_context()
        return context.run(self._observe, exchange)

    def _note_route(self, request: HttpRequest, *_: object) -> None:
        """Called when the address is resolved: what the view logs, and its failure, know the route."""
        http: HttpAttributes = request.observation.http  # type: ignore[attr-defined]
        if request.resolver_match is not None:
            http.route = f"/{request.resolver_match.route}"

    async def _note_route_async(self, request: HttpRequest, *_: object) -> None:
        self._note_route(request)

    def _observe(self, exchange: "_Exchange") -> HttpResponseBase:
        get_response = cast("GetResponse", self.get_response)
        with activate(exchange.observation):
            try:
                return exchange.respond(get_response(exchange.request))
            except BaseException as error:
                exchange.abort(error)
                raise

    async def _observe_async(self, exchange: "_Exchange") -> HttpResponseBase:
        get_response = cast("GetResponseAsync", self.get_response)
        try:
            with activate(exchange.observation):
                try:
                    return exchange.respond(await get_response(exchange.request))
                except BaseException as error:
                    exchange.abort(error)
                    raise
        finally:
            exchange.observation.context = contextvars.copy_context()


class _Exchange:
    """A request, its response and their observation: what the middleware leaves behind on the response."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.observation = observe_request(request)
        self.http = cast("HttpAttributes", self.observation.http)
        request.observation = self.observation  # type: ignore[attr-defined]

    def respond(self, response: HttpResponseBase) -> HttpResponseBase:
        """Note what is known when the response starts, and end the observation where the response ends."""
        self.http.status_code = response.status_code
        note_user(self.request, self.http)
        readers.response_started(self.observation, cast("Headers", response.headers))
        self._measure_body(response)
        close = response.close

        def close_observed() -> None:
            # Without this attribute the response refers to itself no more, and is freed as soon as it is let go.
            vars(response).pop("close", None)
            self._run(self._close, close)

        response.close = close_observed  # type: ignore[method-assign]
        return response

    def _run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Run a part of the response in what the request bound, and let nothing that it binds get out.

        In a copy each time: the response may be closed by one thread while another makes a chunk of its body.
        """
        context = self.observation.context
        if context is None:
            return function(*arguments)
        self.observation.context = context = context.copy()
        return context.run(function, *arguments)

    def _close(self, close: Callable[[], None]) -> None:
        with activate(self.observation):
            try:
                close()
            finally:
                self.finish()

    def abort(self, error: BaseException) -> None:
        """End the observation of a request without a response: the task was cancelled, or the process ends."""
        self.observation.fail(error)
        is_cancelled = isinstance(error, asyncio.CancelledError)
        self.http.status_code = CLIENT_CLOSED_REQUEST if is_cancelled else 500
        self.finish()

    def finish(self) -> None:
        """Close the observation, with the user that is known by now."""
        note_user(self.request, self.http)
        self.observation.close()

    def _measure_body(self, response: HttpResponseBase) -> None:
        if isinstance(response, FileResponse) and response.file_to_stream is not None:
            # Its body stays as it is: wrapped, the server could not use sendfile.
            self.http.response_body_size = int(response.headers.get("Content-Length") or 0)
        elif isinstance(response, StreamingHttpResponse):
            chunks = response.streaming_content
            response.streaming_content = (
                self._observed_async(cast("AsyncIterator[bytes]", chunks))
                if response.is_async
                else self._observed(cast("Iterable[bytes]", chunks))
            )
        elif self.request.method != "HEAD":
            self.http.response_body_size = len(cast("HttpResponse", response).content)

    def _observed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        iterator = iter(chunks)
        while True:
            chunk = self._run(self._next_chunk, iterator)
            if chunk is None:
                return
            self.http.response_body_size += len(chunk)
            yield chunk

    def _next_chunk(self, iterator: Iterator[bytes]) -> bytes | None:
        with self._making_a_chunk():
            return next(iterator, None)

    async def _observed_async(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        iterator = aiter(chunks)
        while True:
            with self._making_a_chunk():
                chunk = await anext(iterator, None)
            if chunk is None:
                return
            self.http.response_body_size += len(chunk)
            yield chunk

    @contextmanager
    def _making_a_chunk(self) -> Iterator[None]:
        with activate(self.observation):
            try:
                yield
            except BaseException as error:
                self._abort_body(error)
                raise

    def _abort_body(self, error: BaseException) -> None:
        # Django's ASGI handler does not close a response whose body failed, so the observation ends here. The server
        # logs the exception, outside of the request: it carries the observation so that its record finds it.
        self.observation.fail(error)
        with suppress(AttributeError, TypeError):
            error.observation = self.observation  # type: ignore[attr-defined]
        self.finish()


def note_user(request: HttpRequest, http: HttpAttributes) -> None:
    """Note who asked, where that is known by now.

    Reading `request.user` may query the session and add `Vary: Cookie`: only a user that is resolved is read.
    """
    user = request.__dict__.get("user")
    if isinstance(user, LazyObject) and user.__dict__.get("_wrapped", empty) is empty:
        # What `await request.auser()` found.
        user = request.__dict__.get("_acached_user")
    # A project's own class of users may fail here, which must not fail the request.
    with suppress(Exception):
        if getattr(user, "is_authenticated", False):
            http.user_id = str(getattr(user, "pk", user))
            http.user_is_staff = bool(getattr(user, "is_staff", False))


def observe_request(request: HttpRequest) -> Observation:
    """A new observation of this request: the inbound X-Request-ID if it is well-formed, and the caller's trace."""
    meta: dict[str, Any] = request.META
    inbound_id = meta.get("HTTP_X_REQUEST_ID")
    traceparent = meta.get("HTTP_TRACEPARENT")
    return open_observation(
        "request",
        request.method or "",
        request_id=inbound_id if inbound_id and _request_id.fullmatch(inbound_id) else "",
        caller=TraceParent.parse(traceparent) if traceparent else None,
        http=HttpAttributes(
            request.method or "",
            request.path[:MAX_PATH],
            client_address(meta, configuration().trusted_proxy_count),
            meta.get("HTTP_USER_AGENT", "")[:MAX_USER_AGENT] or None,
            framework_request=weakref.ref(request),
        ),
    )
