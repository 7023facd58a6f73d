"""A request to a trivial view under all of the production middleware against the same view bare."""

import argparse
import io
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.measure import compare
from benchmarks.project import temporary_project

REQUESTS = 500
OBSERVATION = "observability.middleware.ObservationMiddleware"

urlpatterns: list[Any] = []


def main(arguments: list[str]) -> None:
    """Print a table for all of the middleware, and one for the observation alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks request", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how often each is measured (%(default)s)")
    rounds = parser.parse_args(arguments).rounds
    with temporary_project():
        from django.conf import settings  # noqa: PLC0415 - settings exist once Django is set up

        sys.stdout.write(f"{REQUESTS} requests a round, an access line each\n")
        bare = requests(middleware=[])
        for name, middleware in (("all middleware", settings.MIDDLEWARE), ("observation alone", [OBSERVATION])):
            comparison = compare(requests(middleware=middleware), bare, rounds)
            sys.stdout.write(f"\n{comparison.rows(name, 'bare')}\n")


def requests(*, middleware: list[str]) -> Callable[[], None]:
    """A function that sends the requests through Django's WSGI handler, as a server does, with this middleware."""
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415
    from django.db import transaction  # noqa: PLC0415
    from django.http import HttpRequest, JsonResponse  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415
    from django.urls import path  # noqa: PLC0415

    # The transaction around a view would cost both the same, and hide what is measured.
    @transaction.non_atomic_requests
    def view(_: HttpRequest) -> JsonResponse:
        return JsonResponse({"status": "ok"})

    urlpatterns[:] = [path("", view)]

    def send() -> None:
        for _ in range(REQUESTS):
            response = handler(environ(), lambda *_: bytes)
            b"".join(response)
            response.close()

    with override_settings(MIDDLEWARE=middleware, ROOT_URLCONF=__name__):
        handler = WSGIHandler()
    return override_settings(ROOT_URLCONF=__name__)(send)


def environ() -> dict[str, Any]:
    """What a server gives the application for one request."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_USER_AGENT": "benchmark",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
    }
