"""Cost of a successful and a failed request: without Sentry, errors only, and with the SDK's defaults."""

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
# The SDK patches Django for the whole process, so each configuration runs in its own process.
CONFIGURATIONS = (
    "without Sentry",
    "errors only",
    "errors only, spooled",
    "SDK defaults, rate 0",
    "SDK defaults, rate 1",
)

urlpatterns: list[Any] = []


def main(arguments: list[str]) -> None:
    """Print a table for each kind of request: CPU time of one request, and the ratio to no Sentry."""
    parser = argparse.ArgumentParser(prog="bin/bench sentry", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of measurements (%(default)s)")
    parser.add_argument("--configuration", choices=CONFIGURATIONS, help="measure only this one, and print JSON")
    options = parser.parse_args(arguments)
    if options.configuration:
        with temporary_project():
            sys.stdout.write(json.dumps(measure(options.configuration)))
        return
    rounds = [{name: _measure_in_a_process(name) for name in CONFIGURATIONS} for _ in range(options.rounds)]
    for path, title in {"/": "a successful request", "/fails/": "a failed request"}.items():
        _print(title, [{name: each[path] for name, each in times.items()} for times in rounds])


def _measure_in_a_process(configuration: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks", "sentry", "--configuration", configuration]
    completed = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - this program
    result: dict[str, float] = json.loads(completed.stdout)
    return result


def _print(title: str, rounds: list[dict[str, float]]) -> None:
    """Print medians over the rounds; the ratio is the median of the ratios of each round."""
    sys.stdout.write(f"\n{title}, all middleware of production\n\n{'':<24}{'us':>9}{'ratio':>9}\n")
    for name in CONFIGURATIONS:
        ratio = median(each[name] / each[CONFIGURATIONS[0]] for each in rounds)
        sys.stdout.write(f"{name:<24}{median(each[name] for each in rounds):>9.0f}{ratio:>9.3f}\n")


def measure(configuration: str) -> dict[str, float]:
    """Return the CPU microseconds of a request by its path. Django must be set up."""
    _configure(configuration)
    sends = {path: _requests(path, count) for path, count in REQUESTS.items()}
    times: dict[str, list[float]] = {path: [] for path in sends}
    for _ in range(REPEATS + 1):
        for path, send in sends.items():
            times[path].append(cpu_ms(send) * 1000 / REQUESTS[path])
    return {path: median(each[1:]) for path, each in times.items()}


def _configure(configuration: str) -> None:
    """Keep or remove our reporting, and start the SDK with its defaults or not at all."""
    import sentry_sdk  # noqa: PLC0415 - imported only by the benchmark's process
    from sentry_sdk.envelope import Envelope  # noqa: PLC0415
    from sentry_sdk.transport import Transport  # noqa: PLC0415

    from observability.core.readers import readers  # noqa: PLC0415
    from observability.sentry.delivery.transport import SpoolTransport  # noqa: PLC0415
    from observability.sentry.reporting import FailureReader, SentryHandler  # noqa: PLC0415

    class Discarding(Transport):
        """Serialize envelopes, but do not send them."""

        def capture_envelope(self, envelope: Envelope) -> None:
            envelope.serialize()

    if configuration.startswith("errors only"):
        spooled = SpoolTransport(DSN, Path(os.environ["LOG_DIR"]) / "spool")
        sentry_sdk.get_client().transport = spooled if configuration.endswith("spooled") else Discarding()
        return
    sentry_sdk.get_global_scope().set_client(None)
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if not isinstance(each, SentryHandler)]
    readers.install([each for each in readers._installed if not isinstance(each, FailureReader)])  # noqa: SLF001
    if configuration.startswith("SDK"):
        sentry_sdk.init(dsn=DSN, traces_sample_rate=float(configuration[-1]), transport=Discarding())


def _requests(url_path: str, count: int) -> Callable[[], None]:
    """Return a function that sends requests through Django's WSGI handler, like a server."""
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
