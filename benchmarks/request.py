"""A request to a trivial view under the production middleware and logging against the same view bare."""

import argparse
import io
import logging
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from benchmarks.measure import Comparison, compare
from benchmarks.project import temporary_project

REQUESTS = 500
REST = "/rest/"
OBSERVATION = "observability.middleware.ObservationMiddleware"
# Each write to it fails as on a disk without space.
FULL_DISK = Path("/dev/full")

urlpatterns: list[Any] = []


def main(arguments: list[str]) -> None:
    """Print a table for all of the middleware, for the observation alone with two kinds of views, for a full disk."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks request", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how often each is measured (%(default)s)")
    rounds = parser.parse_args(arguments).rounds
    with temporary_project():
        measure(rounds)


def measure(rounds: int) -> None:
    """Print the tables; Django is set up."""
    from django.conf import settings  # noqa: PLC0415 - settings exist once Django is set up

    sys.stdout.write(f"\n{REQUESTS} requests a round, an access line each\n")
    bare = requests(middleware=[])
    observed = requests(middleware=[OBSERVATION])
    _print("all middleware", "bare", compare(requests(middleware=settings.MIDDLEWARE), bare, rounds))
    _print("observation and access line", "bare", compare(observed, bare, rounds), "at most 1.35")
    observed_rest, bare_rest = (requests(middleware=each, url_path=REST) for each in ([OBSERVATION], []))
    _print("the same with a view of DRF", "bare", compare(observed_rest, bare_rest, rounds), "at most 1.2")
    if FULL_DISK.exists():
        full = compare(_on_full_disk(observed), observed, rounds)
        _print("observation, disk full", "disk healthy", full, "at most 1.1")


def _print(first_name: str, second_name: str, comparison: Comparison, wanted: str = "") -> None:
    sys.stdout.write(f"\n{comparison.rows(first_name, second_name)}{wanted and f'   wanted: {wanted}'}\n")


def requests(*, middleware: list[str], url_path: str = "/") -> Callable[[], None]:
    """A function that sends the requests through Django's WSGI handler, as a server does, with this middleware."""
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415

    urlpatterns[:] = _addresses()

    def send() -> None:
        for _ in range(REQUESTS):
            response = handler(environ(url_path), lambda *_: bytes)
            b"".join(response)
            response.close()

    with override_settings(MIDDLEWARE=middleware, ROOT_URLCONF=__name__):
        handler = WSGIHandler()
    return override_settings(ROOT_URLCONF=__name__)(send)


def _addresses() -> list[Any]:
    from django.db import transaction  # noqa: PLC0415
    from django.http import HttpRequest, JsonResponse  # noqa: PLC0415
    from django.urls import path  # noqa: PLC0415
    from rest_framework.request import Request  # noqa: PLC0415
    from rest_framework.response import Response  # noqa: PLC0415
    from rest_framework.views import APIView  # noqa: PLC0415

    def view(_: HttpRequest) -> JsonResponse:
        return JsonResponse({"status": "ok"})

    class View(APIView):
        authentication_classes = ()
        permission_classes = ()

        def get(self, _: Request) -> Response:
            return Response({"status": "ok"})

    # The transaction around a view would cost both the same, and hide what is measured.
    views: dict[str, Callable[..., Any]] = {"": view, REST.lstrip("/"): View.as_view()}
    return [path(route, transaction.non_atomic_requests(each)) for route, each in views.items()]


def environ(url_path: str) -> dict[str, Any]:
    """What a server gives the application for one request."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": url_path,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_USER_AGENT": "benchmark",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
    }


def _on_full_disk(send: Callable[[], None]) -> Callable[[], None]:
    """The same requests while the file of the handler `service` is on a full disk, and stderr goes nowhere."""
    from observability.logs.buffering import BufferingHandler  # noqa: PLC0415
    from observability.logs.handlers import SharedRotatingFileHandler  # noqa: PLC0415

    buffering = next(each for each in logging.getLogger().handlers if isinstance(each, BufferingHandler))
    healthy = buffering.target
    full = SharedRotatingFileHandler(FULL_DISK, maxBytes=20_000_000, backupCount=10)
    full.setFormatter(healthy.formatter if healthy else None)

    def send_without_space() -> None:
        buffering.setTarget(full)
        try:
            with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
                send()
        finally:
            buffering.setTarget(healthy)

    return send_without_space
