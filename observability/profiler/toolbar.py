"""django-debug-toolbar 8 beside an Observation: neither counts, overwrites or keeps what is the other's.

The settings name the middleware, the panels and the store of this module in the place of the toolbar's own.
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
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.safestring import SafeString, mark_safe

from observability.core.context import activate, current
from observability.profiler.addresses import is_of_tools, redacted_url
from observability.profiler.audience import goes_without_toolbar, is_from_developer, wants_silk
from observability.profiler.profiles.profile import Profile, profile_of
from observability.profiler.profiles.store import store
from observability.recorders.sql import parse_sql
from observability.redaction import REDACTED, redact, redact_text

_session_key = re.compile(r"(sessions\.cache(?:d_db)?)\S+")


def shows_toolbar(request: HttpRequest) -> bool:
    """The toolbar's SHOW_TOOLBAR_CALLBACK: for all calls of a developer, so that their pages have its panels.

    A request that silk records goes without, since each would count the other's queries; so do the pages of the tools,
    which it would cover. The toolbar asks for its own addresses too, before it answers there.
    """
    if not is_from_developer(request):
        return False
    if is_of_tools(request.path):
        return DebugToolbar.is_toolbar_request(request)
    if wants_silk(request) or goes_without_toolbar(request):
        return False
    # A request that has no profile, such as a health check, would have no panels either.
    observation = getattr(request, "observation", None)
    return observation is None or profile_of(observation) is not None


def replayed(toolbar_id: str) -> SafeString:
    """The toolbar of an earlier call, whose panels are loaded from the store; nothing where it was forgotten."""
    toolbar = DebugToolbar.fetch(toolbar_id)
    if toolbar is None:
        return mark_safe("")
    # It reads the panels from the last to the first, and would show them so.
    toolbar._panels = dict(reversed(toolbar._panels.items()))  # noqa: SLF001 - it has no other way
    return mark_safe(toolbar.render_toolbar())  # noqa: S308 - the toolbar's own HTML


class ToolbarMiddleware(DebugToolbarMiddleware):
    """The toolbar's middleware, for WSGI and ASGI. It has to stand right before the JSON page's."""

    def _postprocess(self, request: HttpRequest, response: HttpResponse, toolbar: DebugToolbar) -> HttpResponse:
        """Put the toolbar in; what it asks the database (the session, for one) is not counted as the request's.

        The toolbar replaces Server-Timing: what the application had put there comes back before its values.
        """
        theirs = response.headers.get("Server-Timing")
        if not is_processable_html_response(response):  # type: ignore[no-untyped-call] # the toolbar's own
            # It would be rendered to be thrown away.
            toolbar.render_toolbar = str  # type: ignore[method-assign]
        with activate(None):
            response = super()._postprocess(request, response, toolbar)
        if theirs and (toolbars := response.headers.get("Server-Timing")) != theirs:
            response.headers["Server-Timing"] = f"{theirs}, {toolbars}"
        return response


class SQLPanel(sql.SQLPanel):
    """The toolbar's panel, which counts what the Observation counts: transaction control is no query."""

    def record(self, **query: Any) -> None:  # noqa: ANN401 - what the toolbar's cursor measured
        if not parse_sql(query["raw_sql"]).is_transaction_control:
            super().record(**query)  # type: ignore[no-untyped-call] # the toolbar's own


class ProfileToolbarStore(BaseStore):
    """The toolbar's store, in the file of profiles: what one process stores, every other one shows.

    What the panels of a call store waits with its profile, and is written with its row, before the response leaves. It
    is kept without what clients keep secret: the panels History, Request and Headers store what a client sent, and that
    of the cache what is kept there. The SQL panel shows statements with their parameters, as they ran: that is what it
    is for. A request without a profile is not stored.
    """

    @classmethod
    def request_ids(cls) -> list[str]:
        """Those of the last requests, RESULTS_CACHE_SIZE of them, the oldest first."""
        return store().toolbar_ids(get_config()["RESULTS_CACHE_SIZE"])

    @classmethod
    def exists(cls, request_id: str) -> bool:
        return store().has_toolbar(request_id)

    @classmethod
    def set(cls, request_id: str) -> None:
        """Called when the toolbar begins to look at the request that is the current one."""
        profile = profile_of(current())
        if profile is not None:
            profile.has_toolbar(request_id)

    @classmethod
    def clear(cls) -> None:
        store().clear()

    @classmethod
    def delete(cls, request_id: str) -> None:
        store().clear(request_id)

    @classmethod
    def save_panel(cls, request_id: str, panel_id: str, data: Any = None) -> None:  # noqa: ANN401
        if panel_id == "CachePanel" and data:
            data = data | {"calls": [_without_values(call) for call in data.get("calls", [])]}
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
    def panel(cls, request_id: str, panel_id: str) -> Any:  # noqa: ANN401 - what a panel stored
        stored = store().panel(request_id, panel_id)
        return {} if stored is None else deserialize(stored)

    @classmethod
    def panels(cls, request_id: str) -> Iterator[tuple[str, Any]]:
        for panel_id, stored in store().panels(request_id).items():
            yield panel_id, deserialize(stored)


def _without_values(call: dict[str, Any]) -> dict[str, Any]:
    """A call of a cache with its key, and without what is kept under it; the key of a session is a login."""
    keys = [_session_key.sub(rf"\1{REDACTED}", redact_text(str(key))) for key in call.get("args", ())[:1]]
    return call | {"args": keys, "kwargs": {}}


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
