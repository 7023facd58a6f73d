"""Start the Sentry SDK.

With a sample rate of 0, nothing of the SDK runs in a request that succeeds: `SentryHandler` and `FailureReader` report
failures, with what the observation knows. Above 0, the SDK's Django integration measures requests, with W3C
trace context and without health checks. The SDK's own integration for logging is never used: in addition to the
handler, it would report each failure twice.
"""

import json
import logging
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.transport import Transport

from observability.conf import QuietPaths, configuration
from observability.core.trace_context import TraceParent
from observability.sentry.delivery.transport import SpoolTransport
from observability.sentry.event import complete_event, complete_transaction

# The flag of a `traceparent` that says that its trace is recorded.
SAMPLED = 0x01

events_log = logging.getLogger("observability.events")


def start_sentry(
    *,
    dsn: str,
    release: str,
    environment: str,
    traces_sample_rate: float,
    with_locals: bool = False,
    spool_dir: str = "",
) -> None:
    """Report failures to the project of this DSN from now on. Without a DSN, events go to `observability.events`.

    A `traces_sample_rate` above 0 adds the SDK's Django integration, which measures every request that it samples.
    `with_locals` adds the local variables of the frames, with the secrets in them that redaction does not know.
    In `spool_dir` events wait for the server. If it is empty, and on Windows, the SDK sends them or loses them.
    """
    integrations: list[Integration] = [AtexitIntegration(callback=lambda *_: None)]
    sampling: dict[str, Any] = {}
    if traces_sample_rate and dsn:
        integrations.append(make_tracing_integration())
        sampling = {"traces_sampler": make_sampler(traces_sample_rate), "before_send_transaction": complete_transaction}
    sentry_sdk.init(
        dsn=dsn or None,
        transport=make_transport(dsn, spool_dir) if dsn else LogTransport(),
        release=release or None,
        environment=environment,
        default_integrations=False,
        integrations=integrations,
        auto_session_tracking=False,
        include_local_variables=with_locals,
        project_root=configuration().code_root or None,
        # This layer is on every stack between the project and the database, and is rarely the cause.
        in_app_exclude=["observability"],
        include_source_context=True,
        before_send=complete_event,
        **sampling,
    )


def make_transport(dsn: str, spool_dir: str) -> SpoolTransport | None:
    """Return the transport with a spool, or None for the SDK's own."""
    # A spool needs `flock`, and files that are opened relative to an open directory.
    return SpoolTransport(dsn, Path(spool_dir)) if spool_dir and sys.platform != "win32" else None


class LogTransport(Transport):
    """Log each event as one line of JSON to the logger `observability.events`; logging.yaml names its file."""

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            events_log.info(json.dumps(event, ensure_ascii=False, default=str))


def make_tracing_integration() -> Integration:
    """Return the SDK's Django integration, which measures requests, with `traceparent` added to what it reads.

    It also keeps the integration from reporting that Django has no lifespan. The imports are here because a process
    without tracing does not need them.
    """
    from django.core.handlers.asgi import ASGIHandler  # noqa: PLC0415
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415
    from sentry_sdk.integrations.django import DjangoIntegration  # noqa: PLC0415

    class TracingIntegration(DjangoIntegration):
        @staticmethod
        def setup_once() -> None:
            """Patch Django's handlers, once per process."""
            original_asgi = ASGIHandler.__call__
            DjangoIntegration.setup_once()
            # mypy does not allow replacing a method; the SDK does it as well.
            WSGIHandler.__call__ = _with_trace_wsgi(WSGIHandler.__call__)  # type: ignore[method-assign]
            ASGIHandler.__call__ = _with_trace_asgi(ASGIHandler.__call__, original_asgi)  # type: ignore[method-assign]

    return TracingIntegration(signals_spans=False)


def make_sampler(rate: float) -> Callable[[dict[str, Any]], float]:
    """Return a `traces_sampler`: 0 for health checks (QUIET_PATHS), else the caller's decision, or the rate if none."""
    quiet_paths = QuietPaths()

    def sample(context: dict[str, Any]) -> float:
        request = context.get("wsgi_environ") or context.get("asgi_scope") or {}
        if request.get("PATH_INFO", request.get("path", "")) in quiet_paths:
            return 0.0
        decision = context.get("parent_sampled")
        return rate if decision is None else float(decision)

    return sample


def _with_trace_wsgi(traced: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the method with which the SDK measures a WSGI request."""

    def call_wsgi(self: object, environ: dict[str, Any], start_response: object) -> Any:  # noqa: ANN401
        traceparent, sentry_trace = _trace_headers(environ.get("HTTP_TRACEPARENT", ""))
        environ["HTTP_TRACEPARENT"] = traceparent
        environ.setdefault("HTTP_SENTRY_TRACE", sentry_trace)
        return traced(self, environ, start_response)

    return call_wsgi


def _with_trace_asgi(traced: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the method with which the SDK measures an ASGI request; another scope (lifespan) goes to the original."""

    async def call_asgi(self: object, scope: dict[str, Any], receive: object, send: object) -> Any:  # noqa: ANN401
        if scope["type"] != "http":
            return await original(self, scope, receive, send)
        headers = dict(scope["headers"])
        traceparent, sentry_trace = _trace_headers(headers.get(b"traceparent", b"").decode("latin-1"))
        added = {
            b"traceparent": traceparent.encode(),
            b"sentry-trace": headers.get(b"sentry-trace", sentry_trace.encode()),
        }
        others = [(name, value) for name, value in scope["headers"] if name not in added]
        return await traced(self, scope | {"headers": [*others, *added.items()]}, receive, send)

    return call_asgi


def _trace_headers(traceparent: str) -> tuple[str, str]:
    """Return `traceparent` and what the SDK reads instead (`sentry-trace`); of a new trace if the caller has none.

    A new one is added to the request, so that its observation and the SDK's transaction belong to one trace.
    """
    caller = TraceParent.parse(traceparent)
    if caller is None:
        trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
        return f"00-{trace_id}-{span_id}-{SAMPLED:02x}", f"{trace_id}-{span_id}"
    is_sampled = int(traceparent.strip()[53:55], 16) & SAMPLED
    return traceparent, f"{caller.trace_id}-{caller.span_id}-{is_sampled}"
