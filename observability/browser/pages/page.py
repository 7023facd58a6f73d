"""What the page of a call shows."""

from typing import Any
from urllib.parse import urlencode, urlsplit

from debug_toolbar.toolbar import DebugToolbar
from django.conf import settings
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe

from observability.browser.audience import PROFILE, SILK
from observability.browser.highlight import highlight, visible
from observability.browser.pages.call import Call
from observability.browser.pages.curl import curl
from observability.browser.pages.happenings import happenings
from observability.browser.pages.timeline import lanes, scale
from observability.browser.pages.transaction import meaning
from observability.browser.profiles.store import store

# Of the statements that ran again and again, so many are told above all else.
MAX_WARNINGS = 5


def call_context(request: HttpRequest, call: Call) -> dict[str, Any]:
    """The context of the template `request.html`."""
    found = happenings(call)
    duration_ms = call.row.duration_ms or 0.0
    origin = f"{request.scheme}://{request.get_host()}"
    document = call.document
    return {
        "call": call,
        "row": call.row,
        "document": document,
        "previous": store().previous(call.row),
        "repeats": [row for row in store().repeats(call.row.id) if row.silk_url],
        "transaction": meaning(call),
        "repeated": call.repeated[:MAX_WARNINGS],
        "happenings": found,
        "lanes": lanes(found, duration_ms),
        "scale": scale(duration_ms),
        "request_body": _body(document["request"]),
        "response_body": _body(document["response"]),
        "curl": curl(origin, call.row.method, document["request"]),
        "repeat": _repeats(call),
        "curl_silk": curl(origin, call.row.method, document["request"], f"X-Silk: {call.row.id}"),
        "curl_profile": curl(origin, call.row.method, document["request"], "X-Profile: 1"),
        "has_silk": "silk" in settings.INSTALLED_APPS,
        "toolbar": _toolbar(call),
    }


def _body(message: dict[str, Any]) -> SafeString:
    """A body as HTML, to stand in a `<pre>`: JSON indented and coloured, other text as it is."""
    text = message["body"]["text"]
    headers = {name.lower(): str(value) for name, value in message["headers"].items()}
    html = highlight(text) if "json" in headers.get("content-type", "") else visible(text)
    # Both escape what they are given.
    return mark_safe(html)  # noqa: S308


def _repeats(call: Call) -> dict[str, str]:
    """Addresses by which a browser repeats a call that only reads: as it is, for a flame graph, and under silk."""
    if call.row.method != "GET" or not call.is_over:
        return {}
    parts = urlsplit(call.url)

    def with_query(**more: str) -> str:
        kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in (PROFILE, SILK)]
        query = "&".join([*kept, urlencode(more)] if more else kept)
        return f"{parts.path}?{query}" if query else parts.path

    return {"plain": with_query(), "profile": with_query(profile="1"), "silk": with_query(silk=call.row.id)}


def _toolbar(call: Call) -> SafeString:
    """The toolbar of this call, whose panels are loaded from the store; nothing where it had none."""
    if call.row.toolbar_id is None or not call.is_over:
        return mark_safe("")
    toolbar = DebugToolbar.fetch(call.row.toolbar_id)
    return mark_safe("" if toolbar is None else toolbar.render_toolbar())  # noqa: S308 - the toolbar's own HTML
