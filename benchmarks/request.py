"""A request to a trivial view with the production middleware and logging, compared with the view alone."""

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
# Each write to it fails, like on a full disk.
FULL_DISK = Path("/dev/full")

urlpatterns: list[Any] = []


def main(arguments: list[str]) -> None:
    """Print tables: all middleware, only the observation with two kinds of views, and a full disk."""
    parser = argparse.ArgumentParser(prog="bin/bench request", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="number of measurements (%(default)s)")
    rounds = parser.parse_args(arguments).rounds
    with temporary_project():
        measure(rounds)


def measure(rounds: int) -> None:
    """Print the tables. Django must be set up."""
    from django.conf import settings  # noqa: PLC0415 - Django must be set up first

    sys.stdout.write(f"\n{REQUESTS} requests per round, each with an access log line\n")
    bare = requests(middleware=[])
    observed = requests(middleware=[OBSERVATION])
    _print("all middleware", "bare", compare(requests(middleware=settings.MIDDLEWARE), bare, rounds))
    _print("observation and access log", "bare", compare(observed, bare, rounds), "at most 1.35")
    observed_rest, bare_rest = (requests(middleware=each, url_path=REST) for each in ([OBSERVATION], []))
    _print("the same with a view of DRF", "bare", compare(observed_rest, bare_rest, rounds), "at most 1.2")
    if FULL_DISK.exists():
        full = compare(_on_full_disk(observed), observed, rounds)
        _print("observation, disk full", "disk healthy", full, "at most 1.1")


def _print(first_name: str, second_name: str, comparison: Comparison, target: str = "") -> None:
    sys.stdout.write(f"\n{comparison.rows(first_name, second_name)}{target and f'   target: {target}'}\n")


def requests(*, middleware: list[str], url_path: str = "/") -> Callable[[], None]:
    """Return a function that sends requests through Django's WSGI handler, like a server, with this middleware."""
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415

    urlpatterns[:] = _url_patterns()

    def send() -> None:
        for _ in range(REQUESTS):
            response = handler(environ(url_path), lambda *_: bytes)
            b"".join(response)
            response.close()

    with override_settings(MIDDLEWARE=middleware, ROOT_URLCONF=__name__):
        handler = WSGIHandler()
    return override_settings(ROOT_URLCONF=__name__)(send)


def _url_patterns() -> list[Any]:
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

    # A transaction around the views would cost the same in both cases and hide the difference.
    views: dict[str, Callable[..., Any]] = {"": view, REST.lstrip("/"): View.as_view()}
    return [path(route, transaction.non_atomic_requests(each)) for route, each in views.items()]


def environ(url_path: str) -> dict[str, Any]:
    """Return the WSGI environ of one request."""
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
    """Return a function that sends the requests while the log file is on a full disk; its stderr is discarded."""
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
