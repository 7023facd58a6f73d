"""Views that fail in different ways; each request is one failure."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import sentry_sdk
import structlog
from django.core.exceptions import SuspiciousOperation
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from observability import note, observe
from tests.probe.models import Publisher

log = structlog.get_logger("probe.failures")
standard_log = logging.getLogger("probe.failures.standard")


def fail() -> None:
    """Raise an exception after a query, a log line and a noted value."""
    Publisher.objects.create(name=f"made before the failure {uuid4()}")
    log.info("working", step=1)
    note(requested="for trouble")
    message = "it failed"
    raise RuntimeError(message)


def raised_by_view(request: HttpRequest) -> HttpResponse:
    fail()
    return HttpResponse()


@api_view()
@permission_classes([AllowAny])
def raised_by_api(request: Request) -> Response:
    fail()
    return Response()


@transaction.non_atomic_requests
async def raised_by_async(request: HttpRequest) -> HttpResponse:
    message = "it failed"
    raise RuntimeError(message)


def raised_by_body(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        yield b"x"
        fail()

    return StreamingHttpResponse(body())


@transaction.non_atomic_requests
async def raised_by_async_body(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        message = "it failed"
        raise RuntimeError(message)

    return StreamingHttpResponse(body())


def raised_in_block(request: HttpRequest) -> HttpResponse:
    with observe("block"):
        fail()
    return HttpResponse()


def logged_and_swallowed(request: HttpRequest) -> HttpResponse:
    try:
        fail()
    except RuntimeError:
        standard_log.exception("import_failed", extra={"isbn": "978-0-00-000001-0"})
    return HttpResponse()


def logged_then_raised_from(request: HttpRequest) -> HttpResponse:
    try:
        fail()
    except RuntimeError as error:
        log.exception("import_failed")
        message = "another"
        raise ValueError(message) from error
    return HttpResponse()


def logged_then_raised_again(request: HttpRequest) -> HttpResponse:
    try:
        fail()
    except RuntimeError:
        standard_log.exception("import_failed")
        raise
    return HttpResponse()


def logged(request: HttpRequest) -> HttpResponse:
    log.error("stock_empty", left=0)
    return HttpResponse()


def logged_then_captured(request: HttpRequest) -> HttpResponse:
    try:
        fail()
    except RuntimeError as error:
        log.error("import_failed")  # noqa: TRY400 - deliberately without the exception
        sentry_sdk.capture_exception(error)
    return HttpResponse()


def captured_then_logged(request: HttpRequest) -> HttpResponse:
    try:
        fail()
    except RuntimeError as error:
        sentry_sdk.capture_exception(error)
        log.exception("import_failed")
    return HttpResponse()


@api_view()
@permission_classes([AllowAny])
def answered_by_exception(request: Request) -> Response:
    raise APIException


@api_view()
@permission_classes([AllowAny])
def answered(request: Request) -> Response:
    return Response({"detail": "no"}, status=500)


def logged_then_answered(request: HttpRequest) -> HttpResponse:
    with suppress(RuntimeError):
        try:
            fail()
        except RuntimeError:
            log.exception("import_failed")
            raise
    return HttpResponse(status=500)


def ignored(request: HttpRequest) -> HttpResponse:
    with suppress(RuntimeError), observe("block"):
        fail()
    return HttpResponse()


def refused(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation


def not_found(request: HttpRequest) -> HttpResponse:
    raise Http404


@api_view()
@permission_classes([AllowAny])
def invalid(request: Request) -> Response:
    raise ValidationError


@api_view(["POST"])
@permission_classes([AllowAny])
def with_secrets(request: Request) -> Response:
    """Fail with a secret of the body in a log line, in SQL, in the message and in local variables."""
    sent: Any = request.data
    secret = sent["account"]["password"]
    api_token = {"nested": [secret]}
    log.info("checking", password=secret)
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [secret])
    log.error("refused", credentials={"deep": [{"api_key": secret}]})
    message = f"refused with password={secret}"
    raise RuntimeError(message, api_token and None)


View = Callable[..., Any]

# Views with exactly one report.
FAILURES: dict[str, View] = {
    "raised-by-view": raised_by_view,
    "raised-by-api": raised_by_api,
    "raised-by-async": raised_by_async,
    "raised-by-body": raised_by_body,
    "raised-by-async-body": raised_by_async_body,
    "raised-in-block": raised_in_block,
    "logged-and-swallowed": logged_and_swallowed,
    "logged-then-raised-from": logged_then_raised_from,
    "logged-then-raised-again": logged_then_raised_again,
    "logged": logged,
    "logged-then-captured": logged_then_captured,
    "captured-then-logged": captured_then_logged,
    "answered-by-exception": answered_by_exception,
    "answered": answered,
    "logged-then-answered": logged_then_answered,
}
# Views without a report.
NO_FAILURES: dict[str, View] = {"ignored": ignored, "refused": refused, "not-found": not_found, "invalid": invalid}

urlpatterns: list[URLPattern] = [
    *(path(f"failures/{name}/", view) for name, view in (FAILURES | NO_FAILURES).items()),
    path("failures/with-secrets/", with_secrets),
]
