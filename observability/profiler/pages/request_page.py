"""The page of one request: the context of its template, and the whole profile for programs."""

import re

from django.apps import apps
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from observability.profiler.flame_graph import FlameGraph
from observability.profiler.highlight import escape_visibly, highlight
from observability.profiler.links import REQUEST_PAGE
from observability.profiler.pages.curl import to_curl, without_tools
from observability.profiler.pages.request_list import to_summary
from observability.profiler.pages.timeline import list_steps, to_lanes, to_scale
from observability.profiler.pages.transaction import describe_transaction
from observability.profiler.profile_document import ResponseDocument
from observability.profiler.profile_store import StoredProfile, store
from observability.redaction import REDACTED

# The number of repeated statements that the page shows above everything else.
MAX_WARNINGS = 5

_number = re.compile(r"[0-9]{1,6}")


def request_context(request: HttpRequest, profile: StoredProfile) -> dict[str, object]:
    """Return the context of the template `request.html`."""
    row, document = profile.row, profile.document
    steps = list_steps(document)
    duration_ms = row.duration_ms or 0.0
    origin = f"{request.scheme}://{request.get_host()}"
    return {
        "profile": profile,
        "row": row,
        "document": document,
        "previous": store().previous(row),
        "repeats": [repeat for repeat in store().repeats(row.id) if repeat.silk_url],
        "transaction": describe_transaction(profile),
        "repeated_statements": profile.repeated_statements[:MAX_WARNINGS],
        "steps": steps,
        "lanes": to_lanes(steps, duration_ms),
        "scale": to_scale(duration_ms),
        "request_body": _render_body(document["request"]),
        "response_body": _render_body(document["response"]),
        "curl": to_curl(origin, row.method, document["request"]),
        "curl_silk": to_curl(origin, row.method, document["request"], f"X-Silk: {row.id}"),
        "curl_profile": to_curl(origin, row.method, document["request"], "X-Profile: 1", "X-Toolbar: off"),
        "repeat_urls": _repeat_urls(profile),
        "flame": _flame_graph(request, profile),
        "url": reverse(REQUEST_PAGE, args=[row.id]),
        "has_silk": apps.is_installed("silk"),
        "toolbar": _toolbar(profile),
    }


def to_dict(profile: StoredProfile) -> dict[str, object]:
    """Return the whole profile for a program; only the summary while the request runs."""
    summary = to_summary(profile.row)
    if not profile.is_closed:
        return summary
    samples = profile.load_flame_samples()
    return {**summary, **profile.document, "flame_graph": FlameGraph(samples).to_dict() if samples else None}


def _render_body(message: ResponseDocument) -> SafeString:
    """Return a body as HTML for a `<pre>`: JSON indented and coloured, other text as it is."""
    text = message["body"]["text"]
    headers = {name.lower(): str(value) for name, value in message["headers"].items()}
    html = highlight(text) if "json" in headers.get("content-type", "") else escape_visibly(text)
    return mark_safe(html)  # noqa: S308 - both functions escape


def _flame_graph(request: HttpRequest, profile: StoredProfile) -> FlameGraph | None:
    """Return the flame graph; `?frame=` is the number of the bar that it starts from."""
    samples = profile.load_flame_samples()
    frame = _number.fullmatch(request.GET.get("frame", ""))
    return None if samples is None else FlameGraph(samples, int(frame[0]) if frame else None)


def _repeat_urls(profile: StoredProfile) -> dict[str, str]:
    """Return the URLs with which a browser repeats a GET request: unchanged, for a flame graph, and under silk."""
    if profile.row.method != "GET" or not profile.is_closed or REDACTED in profile.url:
        return {}
    return {
        "plain": without_tools(profile.url),
        "profile": without_tools(profile.url, profile="1", toolbar="off"),
        "silk": without_tools(profile.url, silk=profile.row.id),
    }


def _toolbar(profile: StoredProfile) -> str:
    """Return the toolbar of the request, which loads its panels from the store; empty if the request had none."""
    if profile.row.toolbar_id is None or not profile.is_closed or not apps.is_installed("debug_toolbar"):
        return ""
    from observability.profiler.toolbar import render_stored_toolbar  # noqa: PLC0415 - the toolbar is optional

    return render_stored_toolbar(profile.row.toolbar_id)
