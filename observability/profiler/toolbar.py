"""Classes that connect django-debug-toolbar 8 with the observation: middleware, SQL panel and store.

The toolbar and the observation do not count each other's queries. Settings reference these classes instead of the
classes of the toolbar.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from debug_toolbar.middleware import DebugToolbarMiddleware
from debug_toolbar.panels import sql
from debug_toolbar.settings import get_config
from debug_toolbar.store import BaseStore, deserialize, serialize
from debug_toolbar.toolbar import DebugToolbar
from debug_toolbar.utils import is_processable_html_response
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.utils.safestring import SafeString, mark_safe

from observability.core.context import activate, current
from observability.profiler.links import is_tool_path, redact_url
from observability.profiler.profile import Profile, ensure_profile
from observability.profiler.profile_store import store
from observability.profiler.visibility import is_from_developer, wants_no_toolbar, wants_silk
from observability.recorders.sql import parse_sql
from observability.redaction import REDACTED, redact, redact_text

_session_key = re.compile(r"(sessions\.cache(?:d_db)?)\S+")


def show_toolbar(request: HttpRequest) -> bool:
    """Return whether a request has the toolbar: all requests of a developer. For SHOW_TOOLBAR_CALLBACK.

    Requests that silk records do not have it, because silk and the toolbar would count each other's queries. Pages of
    the developer tools do not have it, because it would cover them. The toolbar also calls this for its own URLs.
    """
    if not is_from_developer(request):
        return False
    if is_tool_path(request.path):
        return DebugToolbar.is_toolbar_request(request)
    if wants_silk(request) or wants_no_toolbar(request):
        return False
    # A request without a profile, for example a health check, has no panels.
    observation = getattr(request, "observation", None)
    return observation is None or ensure_profile(observation) is not None


def render_stored_toolbar(toolbar_id: str) -> SafeString:
    """Return the HTML of the toolbar of an earlier request, which loads stored panels; empty if they are deleted."""
    toolbar = DebugToolbar.fetch(toolbar_id)
    if toolbar is None:
        return mark_safe("")
    # The toolbar reads the panels in reverse order, and would show them in that order.
    toolbar._panels = dict(reversed(toolbar._panels.items()))  # noqa: SLF001 - it has no public way
    return mark_safe(toolbar.render_toolbar())  # noqa: S308 - the toolbar's own HTML


class ToolbarMiddleware(DebugToolbarMiddleware):
    """The toolbar's middleware for WSGI and ASGI. In MIDDLEWARE it must be directly before JsonPageMiddleware."""

    def _postprocess(self, request: HttpRequest, response: HttpResponse, toolbar: DebugToolbar) -> HttpResponse:
        """Insert the toolbar. Its queries (for example of the session) do not count as queries of the request.

        The toolbar replaces the header Server-Timing. This method restores the values of the application before those
        of the toolbar.
        """
        own_timing = response.headers.get("Server-Timing")
        if not is_processable_html_response(response):  # type: ignore[no-untyped-call] # the toolbar's own
            # Do not render the toolbar, because the result would not be used.
            toolbar.render_toolbar = str  # type: ignore[method-assign]
        # A panel reads the body again. It raises if the body cannot be parsed; then the request has no toolbar.
        with activate(None), suppress(RecursionError, SuspiciousOperation, MultiPartParserError, OSError):
            response = super()._postprocess(request, response, toolbar)
        if own_timing and (toolbar_timing := response.headers.get("Server-Timing")) != own_timing:
            response.headers["Server-Timing"] = f"{own_timing}, {toolbar_timing}"
        return response


class SQLPanel(sql.SQLPanel):
    """The toolbar's SQL panel with the same query count as the observation: transaction control is not a query."""

    def record(self, **query: Any) -> None:  # noqa: ANN401 - what the toolbar's cursor measured
        if not parse_sql(query["raw_sql"]).is_transaction_control:
            super().record(**query)  # type: ignore[no-untyped-call] # the toolbar's own


class ProfileToolbarStore(BaseStore):
    """The toolbar's store. It uses the profile file, so that each process can show the panels of all processes.

    Panels are kept with the profile of their request, and written with its row before the response starts. Requests
    without a profile are not stored. Secrets of clients are redacted (panels History, Request, Headers), and cached
    values are left out. The SQL panel shows the parameters of statements, because this is its purpose.
    """

    @classmethod
    def request_ids(cls) -> list[str]:
        """Return the ids of the last RESULTS_CACHE_SIZE requests, oldest first."""
        return store().toolbar_ids(get_config()["RESULTS_CACHE_SIZE"])

    @classmethod
    def exists(cls, request_id: str) -> bool:
        return store().has_toolbar(request_id)

    @classmethod
    def set(cls, request_id: str) -> None:
        """Attach the toolbar to the profile of the current request. The toolbar calls this when the request starts."""
        profile = ensure_profile(current())
        if profile is not None:
            profile.attach_toolbar(request_id)

    @classmethod
    def clear(cls) -> None:
        store().clear_panels()

    @classmethod
    def delete(cls, request_id: str) -> None:
        store().clear_panels(request_id)

    @classmethod
    def save_panel(cls, request_id: str, panel_id: str, data: Any = None) -> None:  # noqa: ANN401 - the toolbar's
        if panel_id == "CachePanel" and data:
            data = data | {"calls": [_without_cached_values(call) for call in data.get("calls", [])]}
        elif panel_id in ("HistoryPanel", "RequestPanel", "HeadersPanel") and data:
            data = {key: _without_secrets(key, value) for key, value in data.items()}
        profile = Profile.by_toolbar_id.get(request_id)
        if profile is None:
            return
        if profile.number is None:
            profile.panels[panel_id] = serialize(data)
            return
        with suppress(sqlite3.Error, OSError):
            store().save_panels(request_id, {panel_id: serialize(data)})

    @classmethod
    def panel(cls, request_id: str, panel_id: str) -> Any:  # noqa: ANN401 - the toolbar's
        stored = store().panel(request_id, panel_id)
        return {} if stored is None else deserialize(stored)

    @classmethod
    def panels(cls, request_id: str) -> Iterator[tuple[str, object]]:
        for panel_id, stored in store().panels(request_id).items():
            yield panel_id, deserialize(stored)


def _without_cached_values(call: dict[str, Any]) -> dict[str, Any]:
    """Return a call of a cache method without values, and without the key of a session, which is a secret."""
    keys = [_session_key.sub(rf"\1{REDACTED}", redact_text(str(key))) for key in call.get("args", ())[:1]]
    return call | {"args": keys, "kwargs": {}}


def _without_secrets(key: str, value: Any) -> object:  # noqa: ANN401 - what a panel stores
    if key == "request_url":
        return redact_url(value)
    if key == "environ":
        return redact(value) | {"QUERY_STRING": redact_url(f"?{value.get('QUERY_STRING', '')}").lstrip("?")}
    if isinstance(value, QueryDict):
        return redact(dict(value.lists()))
    if isinstance(value, Mapping) and set(value) == {"list"}:
        # Variables are pairs of a name and a value.
        return {"list": [(redact_text(str(name)), redact(one, str(name))) for name, one in value["list"]]}
    return redact(value)
