"""Refuse requests that no view can answer, with a 4xx status and a reason, before they reach a view.

Without it, each of them would be an error of the service: a 500 and an event in Sentry that any client can cause.
"""

import codecs
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import parse_header_parameters

from service.login_limits import LoginBlocked

NUL = "\0"


class _ContentType(HttpRequest):
    """Read the header Content-Type without an exception, so that the middleware can answer with a reason.

    Django decodes the query here, with the charset of the header: any codec of Python. The middleware allows UTF-8 only.
    """

    has_valid_content_type = True

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            self.has_valid_content_type = False
            self.content_type, self.content_params = "", {}


class RequestOfWSGI(_ContentType, WSGIRequest):
    """The request class of `settings.wsgi`."""


class RequestOfASGI(_ContentType, ASGIRequest):
    """The request class of `settings.asgi`."""


class RequestLimitsMiddleware(MiddlewareMixin):
    """Check what every request has: headers, query and the size of its body.

    A view (or a class of views) sets `max_body_bytes`; the default is `DATA_UPLOAD_MAX_MEMORY_SIZE`.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Return a response if the headers or the query cannot be used."""
        meta = request.META
        if not getattr(request, "has_valid_content_type", True):
            return refuse(400, "The header Content-Type is not valid.")
        if charset := (request.content_params or {}).get("charset"):
            if not _is_utf_8(charset):
                return refuse(415, f"The charset {charset[:50]!r} is not supported. Send UTF-8.")
        length = meta.get("CONTENT_LENGTH") or ""
        if length and not (length.isascii() and length.isdigit()):
            return refuse(400, f"Content-Length is {length[:50]!r}, which is not a number of bytes.")
        if NUL in request.path:
            return refuse(404, "Not found.")
        if "%00" in meta.get("QUERY_STRING", ""):
            return refuse(400, "The query has a NUL character.")
        headers = (value for name, value in meta.items() if name.startswith("HTTP_") and isinstance(value, str))
        if any(NUL in value for value in headers) or any(NUL in value for value in request.COOKIES.values()):
            return refuse(400, "A header has a NUL character.")
        try:
            request.GET  # noqa: B018 - Django parses it at the first use
        except TooManyFieldsSent:
            return refuse(400, f"The query has more than {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS} parameters.")
        return None

    def process_view(
        self, request: HttpRequest, view: Any, _arguments: tuple[Any, ...], _named: dict[str, Any]
    ) -> HttpResponse | None:
        """Return a response if the body is too large or cannot be read.

        The body of a view in a transaction is read here, before the transaction: a slow client must not hold a lock of
        the database. A form is parsed here if CsrfViewMiddleware would parse it.
        """
        meta = request.META
        if "HTTP_TRANSFER_ENCODING" in meta and not meta.get("CONTENT_LENGTH"):
            return refuse(411, "The body was sent in chunks. Send it with a Content-Length header.")
        length = int(meta.get("CONTENT_LENGTH") or 0)
        if length > (limit := max_body_bytes(view)):
            return refuse(413, f"The body has {length} bytes; at most {limit} are allowed.")
        encoding = meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
        if length and encoding not in ("", "identity"):
            return refuse(415, f"The Content-Encoding {encoding[:50]!r} is not supported. Send the body as it is.")
        try:
            has_csrf_check = not getattr(view, "csrf_exempt", False)
            if length and (is_atomic(view) or has_csrf_check):
                read_body(request, length)
            if length and has_csrf_check:
                request.POST  # noqa: B018 - Django parses it at the first use
        except Exception as error:
            if (response := self.process_exception(request, error)) is not None:
                return response
            raise
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return a response with the reason if the client caused the exception."""
        if isinstance(error, LoginBlocked):
            response = refuse(429, str(error))
            response.headers["Retry-After"] = str(error.retry_after_s)
            return response
        if isinstance(error, RequestDataTooBig):
            return refuse(413, "The body is too large.")
        if isinstance(error, TooManyFieldsSent):
            return refuse(400, f"The body has more than {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS} fields.")
        if isinstance(error, TooManyFilesSent):
            return refuse(400, f"The body has more than {settings.DATA_UPLOAD_MAX_NUMBER_FILES} files.")
        if isinstance(error, MultiPartParserError):
            return refuse(400, f"The body is not valid multipart/form-data: {error}")
        if isinstance(error, UnreadablePostError):
            return refuse(400, "The body could not be read to its end.")
        if isinstance(error, BadRequest):
            return refuse(400, str(error))
        return None


def refuse(status: int, reason: str) -> JsonResponse:
    """Return a response with the reason, in the form of REST framework."""
    return JsonResponse({"detail": reason}, status=status)


def max_body_bytes(view: Any) -> int:
    """Return the largest body that a view accepts."""
    of_class = getattr(getattr(view, "cls", None), "max_body_bytes", None)
    limit: int = getattr(view, "max_body_bytes", None) or of_class or settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return limit


def is_atomic(view: Any) -> bool:
    """Return whether ATOMIC_REQUESTS runs the view in a transaction."""
    atomic = settings.DATABASES[DEFAULT_DB_ALIAS].get("ATOMIC_REQUESTS", False)
    return bool(atomic) and DEFAULT_DB_ALIAS not in getattr(view, "_non_atomic_requests", ())


def read_body(request: Any, length: int) -> None:
    """Read the body into memory, where `request.body` and `request.read()` find it.

    Raise UnreadablePostError if it ends too early. `request.body` would do the same, but it does not know the limit of
    the view.
    """
    body = request.read()
    if len(body) < length:
        raise UnreadablePostError(f"{len(body)} of {length} bytes")
    request._body, request._stream = body, BytesIO(body)


def _is_utf_8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name in ("utf-8", "ascii")
    except (LookupError, ValueError):
        return False
