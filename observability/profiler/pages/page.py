"""What the page of a call shows."""

import re
from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from observability.profiler.addresses import REQUEST
from observability.profiler.flame.graph import FlameGraph
from observability.profiler.highlight import highlight, visible
from observability.profiler.pages.call import Call
from observability.profiler.pages.curl import curl, without_tools
from observability.profiler.pages.happenings import happenings
from observability.profiler.pages.timeline import lanes, scale
from observability.profiler.pages.transaction import meaning
from observability.profiler.profiles.store import store
from observability.redaction import REDACTED

# Of the statements that ran again and again, so many are told above all else.
MAX_WARNINGS = 5

_number = re.compile(r"[0-9]{1,6}")


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
        "curl_profile": curl(origin, call.row.method, document["request"], "X-Profile: 1", "X-Toolbar: off"),
        "flame": _flame_graph(request, call),
        "address": reverse(REQUEST, args=[call.row.id]),
        "has_silk": apps.is_installed("silk"),
        "toolbar": _toolbar(call),
    }


def _body(message: dict[str, Any]) -> SafeString:
    """A body as HTML, to stand in a `<pre>`: JSON indented and coloured, other text as it is."""
    text = message["body"]["text"]
    headers = {name.lower(): str(value) for name, value in message["headers"].items()}
    html = highlight(text) if "json" in headers.get("content-type", "") else visible(text)
    # Both escape what they are given.
    return mark_safe(html)  # noqa: S308


def _flame_graph(request: HttpRequest, call: Call) -> FlameGraph | None:
    """Its flame graph, from the frame on that `frame` in the address names."""
    samples = call.flame_samples
    frame = _number.fullmatch(request.GET.get("frame", ""))
    return None if samples is None else FlameGraph(samples, int(frame[0]) if frame else None)


def _repeats(call: Call) -> dict[str, str]:
    """Addresses by which a browser repeats a call that only reads: as it is, for a flame graph, and under silk."""
    if call.row.method != "GET" or not call.is_over or REDACTED in call.url:
        return {}
    return {
        "plain": without_tools(call.url),
        "profile": without_tools(call.url, profile="1", toolbar="off"),
        "silk": without_tools(call.url, silk=call.row.id),
    }


def _toolbar(call: Call) -> str:
    """The toolbar of this call, whose panels are loaded from the store; nothing where it had none."""
    if call.row.toolbar_id is None or not call.is_over or not apps.is_installed("debug_toolbar"):
        return ""
    from observability.profiler.toolbar import replayed  # noqa: PLC0415 - a project may have the room without the toolbar

    return replayed(call.row.toolbar_id)
