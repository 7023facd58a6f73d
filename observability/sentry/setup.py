"""Start the Sentry SDK.

`SentryHandler` and `FailureReader` report failures, with the data of the observation. If the sample rate is 0, no code
of the SDK runs in a successful request. If it is above 0, the SDK's Django integration also measures requests, with W3C
Trace Context and without health checks. The SDK's logging integration is never used, because together with
`SentryHandler` it would report each failure twice.
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

# The flag in a `traceparent` header that means that the caller records the trace.
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
    """Report failures to the Sentry project of this DSN. Without a DSN, log events to `observability.events`.

    traces_sample_rate: the share of requests, from 0 to 1, that the SDK's Django integration measures. With 0 the
        integration is not installed.
    with_locals: add the local variables of the frames. They may contain secrets that redaction does not recognize.
    spool_dir: the directory in which events wait for the server. If it is empty, and on Windows, the SDK sends each
        event once, and the event is lost if that fails.
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
        # Frames of this package are on most stacks, but are rarely the cause of a failure.
        in_app_exclude=["observability"],
        include_source_context=True,
        before_send=complete_event,
        **sampling,
    )


def make_transport(dsn: str, spool_dir: str) -> SpoolTransport | None:
    """Return the transport with a spool, or None for the transport of the SDK."""
    # Windows cannot have a spool: it has no `flock`, and cannot open files relative to an open directory.
    return SpoolTransport(dsn, Path(spool_dir)) if spool_dir and sys.platform != "win32" else None


class LogTransport(Transport):
    """Log each event as one line of JSON to the logger `observability.events`. logging.yaml configures its file."""

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            events_log.info(json.dumps(event, ensure_ascii=False, default=str))


def make_tracing_integration() -> Integration:
    """Return the SDK's Django integration, changed to continue the trace of a `traceparent` header.

    It handles HTTP requests only: for ASGI's lifespan, the SDK would report an error that Django raises. The imports
    are inside the function because a process without tracing does not need them.
    """
    from django.core.handlers.asgi import ASGIHandler  # noqa: PLC0415
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415
    from sentry_sdk.integrations.django import DjangoIntegration  # noqa: PLC0415

    class TracingIntegration(DjangoIntegration):
        @staticmethod
        def setup_once() -> None:
            """Wrap Django's handlers, once per process."""
            original_asgi = ASGIHandler.__call__
            DjangoIntegration.setup_once()
            # mypy does not allow replacing a method; the SDK does it as well.
            WSGIHandler.__call__ = _with_trace_wsgi(WSGIHandler.__call__)  # type: ignore[method-assign]
            ASGIHandler.__call__ = _with_trace_asgi(ASGIHandler.__call__, original_asgi)  # type: ignore[method-assign]

    return TracingIntegration(signals_spans=False)


def make_sampler(rate: float) -> Callable[[dict[str, Any]], float]:
    """Return a `traces_sampler`: 0 for QUIET_PATHS, otherwise the decision of the caller, or `rate` without one."""
    quiet_paths = QuietPaths()

    def sample(context: dict[str, Any]) -> float:
        request = context.get("wsgi_environ") or context.get("asgi_scope") or {}
        if request.get("PATH_INFO", request.get("path", "")) in quiet_paths:
            return 0.0
        decision = context.get("parent_sampled")
        return rate if decision is None else float(decision)

    return sample


def _with_trace_wsgi(traced: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the SDK's method that measures a WSGI request."""

    def call_wsgi(self: object, environ: dict[str, Any], start_response: object) -> Any:  # noqa: ANN401
        traceparent, sentry_trace = _trace_headers(environ.get("HTTP_TRACEPARENT", ""))
        environ["HTTP_TRACEPARENT"] = traceparent
        environ.setdefault("HTTP_SENTRY_TRACE", sentry_trace)
        return traced(self, environ, start_response)

    return call_wsgi


def _with_trace_asgi(traced: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the SDK's method that measures an ASGI request. Other scopes (lifespan) go to Django's original method."""

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
    """Return the header `traceparent` and the header `sentry-trace` with the same ids, which the SDK reads.

    If the caller sent no valid `traceparent`, both are of a new trace. They are added to the request, so that the
    observation and the SDK's transaction have the same trace id.
    """
    caller = TraceParent.parse(traceparent)
    if caller is None:
        trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
        return f"00-{trace_id}-{span_id}-{SAMPLED:02x}", f"{trace_id}-{span_id}"
    is_sampled = int(traceparent.strip()[53:55], 16) & SAMPLED
    return traceparent, f"{caller.trace_id}-{caller.span_id}-{is_sampled}"
