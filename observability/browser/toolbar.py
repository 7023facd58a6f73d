"""django-debug-toolbar 8 beside an Observation: neither counts, overwrites or keeps what is the other's.

The settings name the middleware, the panels and the store of this module in the place of the toolbar's own.
"""

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from debug_toolbar.middleware import DebugToolbarMiddleware
from debug_toolbar.panels import Panel, profiling, sql
from debug_toolbar.store import MemoryStore
from debug_toolbar.toolbar import DebugToolbar
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase

from observability.browser.audience import wants_profile
from observability.fingerprint import statement
from observability.observation import active
from observability.redaction import redact


class ToolbarMiddleware(DebugToolbarMiddleware):
    """The toolbar's middleware, for WSGI and ASGI. It has to stand right before the JSON page's."""

    def _postprocess(self, request: HttpRequest, response: HttpResponse, toolbar: DebugToolbar) -> HttpResponse:
        """Put the toolbar in; what it asks the database (the session, for one) is not counted as the request's.

        The toolbar replaces Server-Timing: what the application had put there comes back before its values.
        """
        theirs = response.headers.get("Server-Timing")
        with active(None):
            response = super()._postprocess(request, response, toolbar)
        if theirs and (toolbars := response.headers.get("Server-Timing")) != theirs:
            response.headers["Server-Timing"] = f"{theirs}, {toolbars}"
        return response


class SQLPanel(sql.SQLPanel):
    """The toolbar's panel, which counts what the Observation counts: transaction control is no query."""

    def record(self, **query: Any) -> None:  # noqa: ANN401 - what the toolbar's cursor measured
        if not statement(query["raw_sql"]).is_transaction_control:
            super().record(**query)  # type: ignore[no-untyped-call] # the toolbar's own


class ProfilingPanel(profiling.ProfilingPanel):
    """The toolbar's panel, also for one request by `?profile`; one at a time, since cProfile runs cannot overlap.

    A request that comes while another one is profiled is answered without a profile.
    """

    _running = threading.Lock()

    @property
    def enabled(self) -> bool:
        """By `?profile`, or by the toolbar's own checkbox (a cookie); never under ASGI, where cProfile sees nothing."""
        request = self.toolbar.request
        if self.from_store or isinstance(request, ASGIRequest) or not wants_profile(request):
            return bool(super().enabled)
        return True

    def process_request(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase
        if not self._running.acquire(blocking=False):
            response = Panel.process_request(self, request)  # type: ignore[no-untyped-call] # the toolbar's own
            return response
        try:
            response = super().process_request(request)  # type: ignore[no-untyped-call] # the toolbar's own
        finally:
            self._running.release()
        return response


class RedactedStore(MemoryStore):
    """The toolbar's store, in this process and for its last 25 requests, without what clients keep secret.

    The panels History, Request and Headers store what a client sent. The SQL panel shows statements with their
    parameters, as they ran: that is what it is for.
    """

    @classmethod
    def save_panel(cls, request_id: str, panel_id: str, data: Any = None) -> None:  # noqa: ANN401
        if panel_id in ("HistoryPanel", "RequestPanel", "HeadersPanel") and data:
            data = {key: _without_secrets(key, value) for key, value in data.items()}
        super().save_panel(request_id, panel_id, data)


def _without_secrets(key: str, value: Any) -> Any:  # noqa: ANN401 - what a panel stores
    if key == "request_url":
        return redacted_url(value)
    if key == "environ":
        return redact(value) | {"QUERY_STRING": redacted_url(f"?{value.get('QUERY_STRING', '')}").lstrip("?")}
    if isinstance(value, QueryDict):
        return redact(dict(value.lists()))
    if isinstance(value, Mapping) and set(value) == {"list"}:
        # Variables, as pairs of a name and a value.
        return {"list": [(name, redact(one, str(name))) for name, one in value["list"]]}
    return redact(value)


def redacted_url(url: str) -> str:
    """The path and query without the values of secret parameters."""
    parts = urlsplit(url)
    query = [(name, redact(value, name)) for name, value in parse_qsl(parts.query, keep_blank_values=True)]
    return urlunsplit(parts._replace(query=urlencode(query, safe="[]/:,")))
