"""What the page of a request shows: the context of its template, how its transactions ended, and the curl command."""

import re
import shlex
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

from django.apps import apps
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from observability.profiler.flame_graph import FlameGraph
from observability.profiler.highlight import escape_visibly, highlight
from observability.profiler.links import REQUEST_PAGE
from observability.profiler.pages.request_list import to_summary
from observability.profiler.pages.timeline import list_steps, to_lanes, to_scale
from observability.profiler.profile_document import RequestDocument, ResponseDocument, StepDocument
from observability.profiler.profile_store import StoredProfile, store
from observability.profiler.visibility import TOOL_PARAMETERS
from observability.redaction import REDACTED

# The number of repeated statements that the page shows above everything else.
MAX_WARNINGS = 5
# The kinds of steps that are parts of a transaction.
TRANSACTION_KINDS = ("begin", "savepoint", "release savepoint", "rollback to savepoint", "commit", "rollback")
DEFAULT_DATABASE = "default"

_frame_number = re.compile(r"[0-9]{1,6}")
_reading_statement = re.compile(
    r"(?:\s|/\*.*?\*/)*(SELECT|EXPLAIN|SHOW|VALUES|PRAGMA|WITH(?!.*\b(INSERT|UPDATE|DELETE)\b))\b", re.DOTALL
)
# Headers that curl sets itself, that belong to a browser or its page, that ask for a tool, or that are ids.
_left_out_headers = re.compile(
    r"host|content-length|content-encoding|connection|accept-encoding|user-agent|upgrade-insecure-requests|sec-.*|priority|dnt|te"
    r"|cache-control|pragma|x-request-id|traceparent|x-silk|x-profile|x-toolbar",
    re.IGNORECASE,
)
_redacted_parameter = re.compile(rf"([^?&=]*)=[^&]*{re.escape(REDACTED)}[^&]*")
_not_in_a_variable = re.compile(r"[^A-Z0-9]+")


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


def describe_transaction(profile: StoredProfile) -> str:
    """Return a sentence that says whether the writes of the request are stored, as far as that is certain."""
    writes = set(_write_outcomes(profile))
    # Steps that were dropped may have written, too.
    is_complete = not profile.document["dropped_steps"]
    outcome, status = profile.row.transaction, profile.row.status or 0
    if outcome == "rolled_back":
        return _describe_rollback(writes, is_complete=is_complete)
    if outcome == "committed":
        if is_complete and not writes:
            return "committed; nothing was written"
        although = f", although the status is {status}" if status >= 400 else ""  # noqa: PLR2004 - of HTTP
        lost = "; what was written after a savepoint that was rolled back is not" if "lost" in writes else ""
        return f"committed{although}: what it wrote is stored{lost}"
    return "none: what it wrote is stored at once" if writes else "none: nothing was executed in one"


def to_curl(origin: str, method: str, request: RequestDocument, *extra_headers: str) -> str:
    """Return the command for a POSIX shell; each secret is a shell variable that the user has to set.

    A body that is not stored as it was sent is replaced by a comment.
    """
    parts = ["curl", "-i"]
    if method != "GET":
        parts += ["-I"] if method == "HEAD" else ["-X", method]
    url = f"{origin}{without_tools(request['url'])}"
    # curl would expand brackets and braces to several URLs.
    parts += ["-g"] if re.search(r"[\[\]{}]", url.replace(REDACTED, "")) else []
    parts.append(_quote_url(url))
    lines = [" ".join(parts)]
    body = request["body"]
    for name, value in request["headers"].items():
        # The development server adds a Content-Type although there is no body.
        is_sent = body["bytes"] or name.lower() != "content-type"
        if is_sent and not _left_out_headers.fullmatch(name) and (name.lower(), value) != ("accept", "*/*"):
            lines.append(f"-H {_quote_header(name, str(value))}")
    lines += [f"-H {shlex.quote(header)}" for header in extra_headers]
    if body["text"] and not body["is_cut"] and REDACTED not in body["text"]:
        lines.append(f"--data-raw {shlex.quote(body['text'])}")
    command = " \\\n  ".join(lines)
    if body["bytes"] and not lines[-1].startswith("--data-raw"):
        command = (
            f"# The body ({body['bytes']:,} bytes) is not stored as it was sent: add it with --data-raw.\n{command}"
        )
    return command


def without_tools(url: str, **more: str) -> str:
    """Return a URL without the parameters that ask for a tool, and with `more` parameters at its end."""
    parts = urlsplit(url)
    pairs = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in TOOL_PARAMETERS]
    query = "&".join([*pairs, urlencode(more)] if more else pairs)
    return f"{parts.path}?{query}" if query else parts.path


def _render_body(message: ResponseDocument) -> SafeString:
    """Return a body as HTML for a `<pre>`: JSON indented and coloured, other text as it is."""
    text = message["body"]["text"]
    headers = {name.lower(): str(value) for name, value in message["headers"].items()}
    html = highlight(text) if "json" in headers.get("content-type", "") else escape_visibly(text)
    return mark_safe(html)  # noqa: S308 - both functions escape


def _flame_graph(request: HttpRequest, profile: StoredProfile) -> FlameGraph | None:
    """Return the flame graph; `?frame=` is the number of the bar that it starts from."""
    samples = profile.load_flame_samples()
    frame = _frame_number.fullmatch(request.GET.get("frame", ""))
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


def _describe_rollback(writes: set[str], *, is_complete: bool) -> str:
    if "stored" in writes:
        return "one of several was rolled back: what that one wrote is not stored"
    if not is_complete:
        return "rolled back: what was written in it is not stored"
    return "rolled back: nothing was stored" if writes else "rolled back; nothing had been written"


def _write_outcomes(profile: StoredProfile) -> Iterator[str]:
    """Yield `stored` or `lost` for each statement that may have written, as its transaction and savepoints ended."""
    # The number of writes in each open block, the outermost first.
    open_blocks: list[int] = []
    for step in _steps_of_default_database(profile):
        kind = step["kind"]
        if kind == "query":
            if _reading_statement.match(profile.document["statements"][step["statement"]]["text"]):
                continue
            if open_blocks:
                open_blocks[-1] += 1
            else:
                yield "stored"
        elif kind in ("begin", "savepoint"):
            open_blocks.append(0)
        elif kind == "release savepoint" and len(open_blocks) > 1:
            inner = open_blocks.pop()
            open_blocks[-1] += inner
        elif kind == "rollback to savepoint" and open_blocks:
            yield from ["lost"] * open_blocks.pop()
        elif kind in ("commit", "rollback"):
            yield from ["stored" if kind == "commit" else "lost"] * sum(open_blocks)
            open_blocks.clear()
    # In a test, the transaction started before the request and ends after it.
    yield from ["lost" if profile.row.transaction == "rolled_back" else "stored"] * sum(open_blocks)


def _steps_of_default_database(profile: StoredProfile) -> Iterator[StepDocument]:
    statements = profile.document["statements"]
    for step in profile.document["steps"]:
        if step["kind"] == "query":
            if statements[step["statement"]]["database"] == DEFAULT_DATABASE:
                yield step
        elif step["kind"] in TRANSACTION_KINDS and step["source"] == DEFAULT_DATABASE:
            yield step


def _quote_url(url: str) -> str:
    if REDACTED not in url:
        return shlex.quote(url)
    quoted = re.sub(r'([\\"$`])', r"\\\1", url)
    return f'"{_redacted_parameter.sub(_replace_parameter, quoted)}"'


def _replace_parameter(match: re.Match[str]) -> str:
    return f"{match[1]}=${{{_variable_name(match[1])}}}"


def _variable_name(name: str) -> str:
    return _not_in_a_variable.sub("_", name.upper()).strip("_") or "SECRET"


def _quote_header(name: str, value: str) -> str:
    if REDACTED not in value:
        return shlex.quote(f"{name}: {value}")
    return f'"{name}: ${{{_variable_name(name)}}}"'
