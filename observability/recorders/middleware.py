"""The request recorder: one observation per request, from the first middleware to the last byte of the response."""

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

# nginx's status for a client that closed the connection before the response. No status was sent.
CLIENT_CLOSED_REQUEST = 499

MAX_PATH = 2048
MAX_USER_AGENT = 512
MAX_LENGTH_DIGITS = 20

Result = TypeVar("Result")
GetResponse = Callable[[HttpRequest], HttpResponseBase]
GetResponseAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

_request_id = re.compile(r"[A-Za-z0-9._-]{8,128}")


class ObservationMiddleware:
    """Open the observation of a request, and close it when the response is closed.

    It must be first in MIDDLEWARE, for WSGI and ASGI. The work does not end when the middleware returns: a streaming
    body runs later, and Django logs 4xx and 5xx responses later. Such log records find the observation on the request,
    as `request.observation`.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse | GetResponseAsync) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        # A sync hook in an async stack (or an async hook in a sync stack) would switch threads for each request.
        self.process_view = self._note_route_async if self.is_async else self._note_route
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        observed = _ObservedRequest(request)
        if self.is_async:
            return self._observe_async(observed)
        # Run in a copy of the context: the next request of this thread must not see the variables of this one.
        observed.observation.context = context = contextvars.copy_context()
        return context.run(self._observe, observed)

    def _note_route(self, request: HttpRequest, *_: object) -> None:
        """Store the route when the URL is resolved, because log records and failures of the view need it."""
        http: HttpAttributes = request.observation.http  # type: ignore[attr-defined]
        if request.resolver_match is not None:
            http.route = f"/{request.resolver_match.route}"

    async def _note_route_async(self, request: HttpRequest, *_: object) -> None:
        self._note_route(request)

    def _observe(self, observed: "_ObservedRequest") -> HttpResponseBase:
        get_response = cast("GetResponse", self.get_response)
        with activate(observed.observation):
            try:
                return observed.respond(get_response(observed.request))
            except BaseException as error:
                observed.abort(error)
                raise

    async def _observe_async(self, observed: "_ObservedRequest") -> HttpResponseBase:
        get_response = cast("GetResponseAsync", self.get_response)
        try:
            with activate(observed.observation):
                try:
                    return observed.respond(await get_response(observed.request))
                except BaseException as error:
                    observed.abort(error)
                    raise
        finally:
            observed.observation.context = contextvars.copy_context()


class _ObservedRequest:
    """A request with its response and observation. The response refers to it until the response is closed."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.observation = observe_request(request)
        self.http = cast("HttpAttributes", self.observation.http)
        request.observation = self.observation  # type: ignore[attr-defined]

    def respond(self, response: HttpResponseBase) -> HttpResponseBase:
        """Record the start of the response, and make `response.close()` close the observation."""
        self.http.status_code = response.status_code
        note_user(self.request, self.http)
        readers.response_started(self.observation, cast("Headers", response.headers))
        self._measure_body(response)
        close = response.close

        def close_response() -> None:
            # Break the reference cycle, so that the response is freed without the garbage collector.
            vars(response).pop("close", None)
            self._run(self._close, close)

        response.close = close_response  # type: ignore[method-assign]
        return response

    def _run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Run a part of the response in the context of the request. Variables that it sets do not leave this context.

        Each call uses a new copy: one thread may close the response while another produces a chunk of its body.
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
        """Close the observation of a request without a response: the task was canceled, or an exception was raised."""
        self.observation.fail(error)
        is_canceled = isinstance(error, asyncio.CancelledError)
        self.http.status_code = CLIENT_CLOSED_REQUEST if is_canceled else 500
        self.finish()

    def finish(self) -> None:
        """Record the user, if it is known now, and close the observation."""
        note_user(self.request, self.http)
        self.observation.close()

    def _measure_body(self, response: HttpResponseBase) -> None:
        if isinstance(response, FileResponse) and response.file_to_stream is not None:
            # Do not wrap the body: then the server could not use sendfile.
            self.http.response_body_size = int(response.headers.get("Content-Length") or 0)
        elif isinstance(response, StreamingHttpResponse):
            chunks = response.streaming_content
            response.streaming_content = (
                self._observe_chunks_async(cast("AsyncIterator[bytes]", chunks))
                if response.is_async
                else self._observe_chunks(cast("Iterable[bytes]", chunks))
            )
        elif self.request.method != "HEAD":
            self.http.response_body_size = len(cast("HttpResponse", response).content)

    def _observe_chunks(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        iterator = iter(chunks)
        while True:
            chunk = self._run(self._next_chunk, iterator)
            if chunk is None:
                return
            self.http.response_body_size += len(chunk)
            yield chunk

    def _next_chunk(self, iterator: Iterator[bytes]) -> bytes | None:
        with self._producing_chunk():
            return next(iterator, None)

    async def _observe_chunks_async(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        iterator = aiter(chunks)
        while True:
            with self._producing_chunk():
                chunk = await anext(iterator, None)
            if chunk is None:
                return
            self.http.response_body_size += len(chunk)
            yield chunk

    @contextmanager
    def _producing_chunk(self) -> Iterator[None]:
        with activate(self.observation):
            try:
                yield
            except BaseException as error:
                self._abort_body(error)
                raise

    def _abort_body(self, error: BaseException) -> None:
        # If a body fails, Django's ASGI handler does not close the response. So the observation is closed here. The
        # server logs the exception outside of the request: the log record finds the observation on the exception.
        self.observation.fail(error)
        with suppress(AttributeError, TypeError):
            error.observation = self.observation  # type: ignore[attr-defined]
        self.finish()


def note_user(request: HttpRequest, http: HttpAttributes) -> None:
    """Record the user, if the application has loaded it.

    Reading `request.user` may query the session and add `Vary: Cookie`. So a lazy user is not loaded here.
    """
    user = request.__dict__.get("user")
    if isinstance(user, LazyObject) and user.__dict__.get("_wrapped", empty) is empty:
        # Django keeps the result of `await request.auser()` here.
        user = request.__dict__.get("_acached_user")
    if user is None:
        return
    # The properties of a custom user class may raise, which must not break the request.
    with suppress(Exception):
        if getattr(user, "is_authenticated", False):
            http.user_id = str(getattr(user, "pk", user))
            http.user_is_staff = bool(getattr(user, "is_staff", False))


def observe_request(request: HttpRequest) -> Observation:
    """Open the observation of a request, with its X-Request-ID header if that is valid, and the trace of the caller."""
    meta: dict[str, Any] = request.META
    inbound_id = meta.get("HTTP_X_REQUEST_ID")
    traceparent = meta.get("HTTP_TRACEPARENT")
    observation = open_observation(
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
    if content_length := meta.get("CONTENT_LENGTH"):
        _record_body_size(observation, content_length)
    return observation


def _record_body_size(observation: Observation, content_length: str) -> None:
    # The header is text of the client and may be invalid.
    if content_length.isascii() and content_length.isdigit() and len(content_length) < MAX_LENGTH_DIGITS:
        observation.measurements["http.request.body.size"] = int(content_length)
