"""The profiler's middleware: show JSON as a page in the browser of a developer, and profile each request.

The middleware of the toolbar is in `toolbar.py`, that of silk in `silk.py`, because these packages are optional.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeGuard, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from observability.profiler.flame_recorder import sample, sample_async
from observability.profiler.json_body import Body, JsonResponse, read_body, read_body_async
from observability.profiler.json_page import render_page, to_page_response
from observability.profiler.profile import Profile, ensure_profile
from observability.profiler.visibility import (
    is_from_developer,
    is_navigation,
    silk_parameter,
    wants_flame_graph,
    wants_raw,
    wants_silk,
)

GetResponse = Callable[[HttpRequest], HttpResponseBase]
GetResponseAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class SyncAndAsyncMiddleware:
    """A middleware for WSGI and ASGI, so that Django does not have to adapt it. Subclasses implement both methods.

    Django creates an instance when the server starts, and calls it for each request.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse | GetResponseAsync) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.handle_async(request, cast("GetResponseAsync", self.get_response))
        return self.handle(request, cast("GetResponse", self.get_response))

    def handle(self, request: HttpRequest, get_response: GetResponse) -> HttpResponseBase:
        raise NotImplementedError

    async def handle_async(self, request: HttpRequest, get_response: GetResponseAsync) -> HttpResponseBase:
        raise NotImplementedError


class JsonPageMiddleware(SyncAndAsyncMiddleware):
    """Show JSON as a page if a developer opens its URL in a browser. Error responses keep their status.

    In MIDDLEWARE it must come after the toolbar's middleware, which inserts the toolbar into the page. These responses
    are unchanged: downloads, partial content, redirects, responses to HEAD and to `?raw`, bodies in an unknown
    encoding, and all responses if DEBUG is off.
    """

    def handle(self, request: HttpRequest, get_response: GetResponse) -> HttpResponseBase:
        if not _wants_page(request):
            return get_response(request)
        _refuse_compression(request)
        response = get_response(request)
        return _to_page(request, response, read_body(response)) if _is_readable_json(response) else response

    async def handle_async(self, request: HttpRequest, get_response: GetResponseAsync) -> HttpResponseBase:
        if not _wants_page(request):
            return await get_response(request)
        _refuse_compression(request)
        response = await get_response(request)
        return _to_page(request, response, await read_body_async(response)) if _is_readable_json(response) else response


class ProfileMiddleware(SyncAndAsyncMiddleware):
    """Start the profile of a request, and capture the request, its response and its flame graph.

    In MIDDLEWARE it must come after JsonPageMiddleware, which replaces the response.
    """

    def handle(self, request: HttpRequest, get_response: GetResponse) -> HttpResponseBase:
        profile = _start_profile(request)
        if profile is None:
            return get_response(request)
        response = sample(get_response, request, profile) if wants_flame_graph(request) else get_response(request)
        profile.capture.capture_response(response)
        return response

    async def handle_async(self, request: HttpRequest, get_response: GetResponseAsync) -> HttpResponseBase:
        profile = _start_profile(request)
        if profile is None:
            return await get_response(request)
        is_sampled = wants_flame_graph(request)
        response = await (sample_async(get_response, request, profile) if is_sampled else get_response(request))
        profile.capture.capture_response(response)
        return response


def _wants_page(request: HttpRequest) -> bool:
    """Return whether a developer opened the URL in a browser and did not request the raw response."""
    return request.method != "HEAD" and is_navigation(request) and not wants_raw(request) and is_from_developer(request)


def _refuse_compression(request: HttpRequest) -> None:
    """Remove Accept-Encoding, so that GZipMiddleware and others do not compress a response that becomes a page."""
    if request.META.pop("HTTP_ACCEPT_ENCODING", None) is not None:
        # Django caches the headers on the first read.
        request.__dict__.pop("headers", None)


def _is_readable_json(response: HttpResponseBase) -> TypeGuard[JsonResponse]:
    """Return whether the response is JSON that a browser shows."""
    if not isinstance(response, HttpResponse | StreamingHttpResponse) or isinstance(response, FileResponse):
        return False
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_json = media_type in ("application/json", "text/json") or media_type.endswith("+json")
    is_download = response.headers.get("Content-Disposition", "").strip().lower().startswith("attachment")
    return is_json and not is_download and not _has_no_document(response.status_code)


def _has_no_document(status: int) -> bool:
    """Return whether a browser does not show the document of this status: 204, 205, 206 and redirects."""
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    return is_redirect or status in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.PARTIAL_CONTENT)


def _to_page(request: HttpRequest, response: JsonResponse, body: Body | None) -> HttpResponseBase:
    """Return the page of a response, or the response itself if its body could not be read."""
    return response if body is None else to_page_response(response, render_page(request, response, body))


def _start_profile(request: HttpRequest) -> Profile | None:
    profile = ensure_profile(getattr(request, "observation", None))
    if profile is not None:
        profile.repeat_of = silk_parameter(request) if wants_silk(request) else None
        profile.capture.capture_request(request)
    return profile
