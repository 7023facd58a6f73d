"""Measure requests with the SDK, if the sample rate is above 0: with W3C trace context, without health checks."""

import secrets
from collections.abc import Callable
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from sentry_sdk.integrations.django import DjangoIntegration

from observability.conf import QuietPaths
from observability.core.trace_context import TraceParent

SAMPLED = 0x01


class TracingIntegration(DjangoIntegration):
    """Add `traceparent` to the SDK's Django integration, and keep it from reporting that Django has no lifespan."""

    @staticmethod
    def setup_once() -> None:
        """Patch Django's handlers, once per process."""
        # mypy does not allow replacing a method; the SDK does it as well.
        original_asgi: Any = ASGIHandler.__call__
        DjangoIntegration.setup_once()
        traced_asgi: Any = ASGIHandler.__call__
        traced_wsgi: Any = WSGIHandler.__call__

        def call_wsgi(self: WSGIHandler, environ: dict[str, Any], start_response: Any) -> Any:  # noqa: ANN401
            traceparent, sentry_trace = _trace_headers(environ.get("HTTP_TRACEPARENT", ""))
            environ["HTTP_TRACEPARENT"] = traceparent
            environ.setdefault("HTTP_SENTRY_TRACE", sentry_trace)
            return traced_wsgi(self, environ, start_response)

        async def call_asgi(self: ASGIHandler, scope: dict[str, Any], receive: Any, send: Any) -> Any:  # noqa: ANN401
            if scope["type"] != "http":
                return await original_asgi(self, scope, receive, send)
            headers = dict(scope["headers"])
            traceparent, sentry_trace = _trace_headers(headers.get(b"traceparent", b"").decode("latin-1"))
            added = {
                b"traceparent": traceparent.encode(),
                b"sentry-trace": headers.get(b"sentry-trace", sentry_trace.encode()),
            }
            others = [(name, value) for name, value in scope["headers"] if name not in added]
            return await traced_asgi(self, scope | {"headers": [*others, *added.items()]}, receive, send)

        WSGIHandler.__call__ = call_wsgi  # type: ignore[method-assign]
        ASGIHandler.__call__ = call_asgi  # type: ignore[method-assign]


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
