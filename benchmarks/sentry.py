"""A request that succeeds, and one that fails: without Sentry, reporting errors only, and with the SDK's defaults."""

import argparse
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import cpu_ms
from benchmarks.project import temporary_project
from benchmarks.request import environ

REQUESTS = {"/": 300, "/fails/": 30}
REPEATS = 7
# Nothing listens on this port.
DSN = "http://key@127.0.0.1:1/1"
# The SDK patches Django for the whole process: each way has one of its own.
WAYS = ("without Sentry", "errors only", "errors only, spooled", "SDK defaults, rate 0", "SDK defaults, rate 1")

urlpatterns: list[Any] = []


def main(arguments: list[str]) -> None:
    """Print a table for each kind of request: CPU of one, and how many times that without Sentry."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sentry", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (%(default)s)")
    parser.add_argument("--way", choices=WAYS, help="measure one way in this process, and print the numbers alone")
    options = parser.parse_args(arguments)
    if options.way:
        with temporary_project():
            sys.stdout.write(json.dumps(measured(options.way)))
        return
    rounds = [{way: _in_a_process(way) for way in WAYS} for _ in range(options.rounds)]
    for path, title in {"/": "a request that succeeds", "/fails/": "a request that fails"}.items():
        _print(title, [{way: each[path] for way, each in times.items()} for times in rounds])


def _in_a_process(way: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks", "sentry", "--way", way]
    completed = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - this program
    result: dict[str, float] = json.loads(completed.stdout)
    return result


def _print(title: str, rounds: list[dict[str, float]]) -> None:
    """Medians over the rounds; the ratio is that of one round each."""
    sys.stdout.write(f"\n{title}, all middleware of production\n\n{'':<24}{'us':>9}{'ratio':>9}\n")
    for way in WAYS:
        ratio = median(each[way] / each[WAYS[0]] for each in rounds)
        sys.stdout.write(f"{way:<24}{median(each[way] for each in rounds):>9.0f}{ratio:>9.3f}\n")


def measured(way: str) -> dict[str, float]:
    """Microseconds of CPU of a request, by its path; Django is set up."""
    _start(way)
    sends = {path: _requests(path, count) for path, count in REQUESTS.items()}
    times: dict[str, list[float]] = {path: [] for path in sends}
    for _ in range(REPEATS + 1):
        for path, send in sends.items():
            times[path].append(cpu_ms(send) * 1000 / REQUESTS[path])
    return {path: median(each[1:]) for path, each in times.items()}


def _start(way: str) -> None:
    """Take our reporting away, or leave it; and start the SDK in its own way, or not."""
    import sentry_sdk  # noqa: PLC0415 - it is what is measured
    from sentry_sdk.envelope import Envelope  # noqa: PLC0415
    from sentry_sdk.transport import Transport  # noqa: PLC0415

    from observability.core.readers import readers  # noqa: PLC0415
    from observability.sentry.delivery.transport import SpoolTransport  # noqa: PLC0415
    from observability.sentry.reporting import FailureReader, SentryHandler  # noqa: PLC0415

    class Discarding(Transport):
        """Makes the bytes that would be sent, and no more."""

        def capture_envelope(self, envelope: Envelope) -> None:
            envelope.serialize()

    if way.startswith("errors only"):
        spooled = SpoolTransport(DSN, Path(os.environ["LOG_DIR"]) / "spool")
        sentry_sdk.get_client().transport = spooled if way.endswith("spooled") else Discarding()
        return
    sentry_sdk.get_global_scope().set_client(None)
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if not isinstance(each, SentryHandler)]
    readers.install([each for each in readers._installed if not isinstance(each, FailureReader)])  # noqa: SLF001
    if way.startswith("SDK"):
        sentry_sdk.init(dsn=DSN, traces_sample_rate=float(way[-1]), transport=Discarding())


def _requests(url_path: str, count: int) -> Callable[[], None]:
    """A function that sends requests through Django's WSGI handler, as a server does."""
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415
    from django.db import transaction  # noqa: PLC0415
    from django.http import HttpRequest, JsonResponse  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415
    from django.urls import path  # noqa: PLC0415

    def view(_: HttpRequest) -> JsonResponse:
        return JsonResponse({"status": "ok"})

    def fails(_: HttpRequest) -> JsonResponse:
        message = "it failed"
        raise RuntimeError(message)

    urlpatterns[:] = [path("", transaction.non_atomic_requests(view)), path("fails/", fails)]
    with override_settings(ROOT_URLCONF=__name__):
        handler = WSGIHandler()

    def send() -> None:
        for _ in range(count):
            response = handler(environ(url_path), lambda *_: bytes)
            b"".join(response)
            response.close()

    return override_settings(ROOT_URLCONF=__name__)(send)
