"""Views for all kinds of requests. They read and write the table of `Publisher`."""

import asyncio
import http.client
import logging
import os
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import structlog
from asgiref.sync import async_to_sync, sync_to_async
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from observability import note
from tests.probe.models import Author, Publisher

log = structlog.get_logger("probe")
standard_log = logging.getLogger("probe.standard")


def query(count: int) -> None:
    """Run `count` queries, and log one line with structlog and one with logging."""
    for _ in range(count):
        Publisher.objects.exists()
    log.info("queried", count=count)
    standard_log.info("queried", extra={"count": count})


def ordinary(request: HttpRequest, count: int) -> HttpResponse:
    query(count)
    note(requested=count)
    structlog.contextvars.bind_contextvars(bound=count)
    return JsonResponse({"count": count})


@transaction.non_atomic_requests
async def asynchronous(request: HttpRequest, count: int) -> HttpResponse:
    await sync_to_async(query)(count)
    note(requested=count)
    await asyncio.sleep(0.01)
    return JsonResponse({"count": count})


@transaction.non_atomic_requests
async def counting_async(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"count": await Publisher.objects.acount()})


def streaming(request: HttpRequest, count: int) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        for _ in range(count):
            query(1)
            yield b"x" * 10
        note(requested=count)

    return StreamingHttpResponse(body())


@transaction.non_atomic_requests
async def streaming_async(request: HttpRequest, count: int) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(count):
            await sync_to_async(query)(1)
            yield b"x" * 10
        note(requested=count)

    return StreamingHttpResponse(body())


def binding_body(request: HttpRequest) -> StreamingHttpResponse:
    structlog.contextvars.bind_contextvars(view=1)

    def body() -> Iterator[bytes]:
        structlog.contextvars.bind_contextvars(body=2)
        yield b""
        yield repr(sorted(structlog.contextvars.get_contextvars())).encode()

    return StreamingHttpResponse(body())


def endless(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        try:
            for _ in range(2000):
                yield b"x" * 1000
                time.sleep(0.005)
        finally:
            log.info("body_ended")

    return StreamingHttpResponse(body())


@transaction.non_atomic_requests
async def endless_async(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(2000):
            yield b"x" * 1000
            await asyncio.sleep(0.005)

    return StreamingHttpResponse(body())


def file(request: HttpRequest) -> FileResponse:
    content = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    content.write(b"x" * 5000)
    content.seek(0)
    return FileResponse(content)


def with_headers(request: HttpRequest) -> HttpResponse:
    """Return the parameters of the query string as response headers."""
    return JsonResponse({"known": 1}, headers=dict(request.GET.items()))


def detailed(request: HttpRequest, status: int) -> HttpResponse:
    """Log two DEBUG lines and one INFO line, and run a query; raise if `status` is 500 or higher."""
    log.debug("requested", number=1)
    Publisher.objects.exists()
    standard_log.debug("requested %s", "again", extra={"number": 2})
    log.info("answering")
    if status >= 500:
        message = "the view failed"
        raise RuntimeError(message)
    return HttpResponse(status=status)


def level(request: HttpRequest, logger: str) -> HttpResponse:
    """Return the process id and the effective level of a logger."""
    log = logging.getLogger(logger)
    log.debug("requested")
    return JsonResponse({"process": os.getpid(), "level": logging.getLevelName(log.getEffectiveLevel())})


def failing(request: HttpRequest) -> HttpResponse:
    query(1)
    message = "the view failed"
    raise RuntimeError(message)


@transaction.non_atomic_requests
async def failing_async(request: HttpRequest) -> HttpResponse:
    message = "the view failed"
    raise RuntimeError(message)


def failing_body(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        yield b"x" * 10
        message = "the body failed"
        raise RuntimeError(message)

    return StreamingHttpResponse(body())


@transaction.non_atomic_requests
async def failing_body_async(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 10
        message = "the body failed"
        raise RuntimeError(message)

    return StreamingHttpResponse(body())


class FailingByApi(APIView):
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        message = "the API view failed"
        raise RuntimeError(message)


class NotFoundByApi(APIView):
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        raise NotFound


def sending(request: HttpRequest, count: int) -> HttpResponse:
    """Send outgoing requests to a service on this machine, at the port in the query string."""
    for _ in range(count):
        with closing(http.client.HTTPConnection("127.0.0.1", int(request.GET["port"]))) as connection:
            connection.request("GET", "/status/200/?token=secret")
            connection.getresponse().read()
    return HttpResponse()


def sleeping(request: HttpRequest) -> HttpResponse:
    log.info("sleeping")
    time.sleep(0.5)
    return HttpResponse()


@transaction.non_atomic_requests
async def sleeping_async(request: HttpRequest) -> HttpResponse:
    log.info("sleeping")
    await asyncio.sleep(30)
    return HttpResponse()


def caching(request: HttpRequest) -> HttpResponse:
    """Store a value and a session in the cache, with the value and the session key in the query string."""
    cache.set("one-time", {"password": request.GET["value"]})
    cache.set(f"django.contrib.sessions.cache{request.GET['session']}", {}, timeout=1)
    return JsonResponse({})


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user))


def async_user(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(async_to_sync(request.auser)()))


def leaving(request: HttpRequest) -> HttpResponse:
    raise SystemExit


def warning(request: HttpRequest) -> HttpResponse:
    warnings.warn("the view warns", stacklevel=1)
    return HttpResponse()


def slow_query(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(
            # MariaDB stops a recursion after 1,000 rows.
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s) "
            "SELECT max(a.i + b.i) FROM n AS a, n AS b",
            [1_000],
        )
    return HttpResponse()


def write(request: HttpRequest, name: str) -> HttpResponse:
    Publisher.objects.create(name=name)
    return HttpResponse(status=201)


def write_then_raise(request: HttpRequest, name: str) -> HttpResponse:
    Publisher.objects.create(name=name)
    message = "after a write"
    raise RuntimeError(message)


class WriteThenInvalid(APIView):
    permission_classes = (AllowAny,)

    def get(self, request: Request, name: str) -> Response:
        Publisher.objects.create(name=name)
        raise ValidationError


def write_then_400(request: HttpRequest, name: str) -> HttpResponse:
    Publisher.objects.create(name=name)
    return HttpResponse(status=400)


def write_half(request: HttpRequest, name: str) -> HttpResponse:
    """Write one row before a savepoint, and one inside it, which is rolled back."""
    Publisher.objects.create(name=name)
    try:
        with transaction.atomic():
            Publisher.objects.create(name=f"{name}-inner")
            raise KeyError(name)
    except KeyError:
        return HttpResponse()


def write_then_catch(request: HttpRequest, name: str) -> HttpResponse:
    """Catch a database error without a savepoint; in SQL, because `save()` would mark the transaction as broken."""
    Publisher.objects.create(name=name)
    try:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO probe_publisher (name) VALUES (%s)", [name])
    except IntegrityError:
        return HttpResponse(status=409)
    return HttpResponse()


def write_orphan(request: HttpRequest, name: str) -> HttpResponse:
    """Write a row with an invalid foreign key: some databases reject it immediately, others at the commit."""
    Publisher.objects.create(name=name)
    Author.objects.create(publisher_id=1_000_000, name=name)
    return HttpResponse()


def write_then_close(request: HttpRequest, name: str) -> HttpResponse:
    """Close the connection, or return it to its pool, while a transaction is open."""
    Publisher.objects.create(name=name)
    connection.close()
    return HttpResponse()


@transaction.non_atomic_requests
def write_many(request: HttpRequest, name: str) -> HttpResponse:
    """Write two rows with `executemany` in a separate transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany("INSERT INTO probe_publisher (name) VALUES (%s)", [[f"{name}-1"], [f"{name}-2"]])
    return HttpResponse()


def write_then_iterate(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """Return a body of rows that are read from the database while it is sent, after the transaction."""
    Publisher.objects.create(name=name)
    rows = Publisher.objects.filter(name=name).values_list("name", flat=True)
    return StreamingHttpResponse(row.encode() for row in rows.iterator(chunk_size=1))


@transaction.non_atomic_requests
def write_outside(request: HttpRequest, name: str) -> HttpResponse:
    Publisher.objects.create(name=name)
    message = "after a write outside of a transaction"
    raise RuntimeError(message)


def read_then_write(request: HttpRequest, name: str) -> HttpResponse:
    known = Publisher.objects.count()
    Publisher.objects.create(name=name)
    return JsonResponse({"known": known})
