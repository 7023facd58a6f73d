"""A JSON answer that is opened in a browser, as a page that can be read and that the debug toolbar can be put into.

What a program gets stays as it is, byte for byte.
"""

from http import HTTPStatus
from typing import TypeGuard

from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from observability.profiler.audience import is_from_developer, opens_a_page, wants_raw
from observability.profiler.json_page.body import Answer, Body, read, read_async
from observability.profiler.json_page.page import page
from observability.profiler.json_page.response import page_response
from observability.profiler.middleware import Middleware


class JsonPageMiddleware(Middleware):
    """Shows a developer who opens an address in a browser its JSON as a page; errors too, with their status.

    It stands right after the toolbar's middleware, which puts the toolbar into the page. Downloads, parts, redirects
    and the answers to HEAD stay as they are, and so do those that are asked for by `?raw`, what the service cannot
    decompress, and everything while DEBUG is off.
    """

    def call(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = self.get_response(request)
        if not (wants_page(request) and is_shown_as_page(response)):
            return response
        return shown(request, response, read(response))

    async def call_async(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        if not (wants_page(request) and is_shown_as_page(response)):
            return response
        return shown(request, response, await read_async(response))


def wants_page(request: HttpRequest) -> bool:
    """Whether a developer opened it in a browser, and did not ask for the answer itself."""
    is_to_look_at = request.method != "HEAD" and opens_a_page(request) and not wants_raw(request)
    return is_to_look_at and is_from_developer(request)


def is_shown_as_page(response: HttpResponseBase) -> TypeGuard[Answer]:
    """Whether it is JSON for a person to read: no download, no file, no part of a body, and nothing without one."""
    if not isinstance(response, HttpResponse | StreamingHttpResponse) or isinstance(response, FileResponse):
        return False
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_json = media_type in ("application/json", "text/json") or media_type.endswith("+json")
    is_download = response.headers.get("Content-Disposition", "").strip().lower().startswith("attachment")
    return is_json and not is_download and not _is_without_document(response.status_code)


def _is_without_document(status: int) -> bool:
    """Whether a browser shows no document, or not this one, for the status: 204, 205, 206 and redirects."""
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    return is_redirect or status in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.PARTIAL_CONTENT)


def shown(request: HttpRequest, response: Answer, body: Body | None) -> HttpResponseBase:
    """The page of a response; the response itself where its body could not be read."""
    return response if body is None else page_response(response, page(request, response, body))
