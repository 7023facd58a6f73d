"""The page of a request: the context of its template, the result of its transactions, and its curl command."""

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

# The number of repeated statements that the page shows at its top.
MAX_WARNINGS = 5
# The kinds of steps that belong to transactions.
TRANSACTION_KINDS = ("begin", "savepoint", "release savepoint", "rollback to savepoint", "commit", "rollback")
DEFAULT_DATABASE = "default"

_frame_number = re.compile(r"[0-9]{1,6}")
_reading_statement = re.compile(
    r"(?:\s|/\*.*?\*/)*(SELECT|EXPLAIN|SHOW|VALUES|PRAGMA|WITH(?!.*\b(INSERT|UPDATE|DELETE)\b))\b", re.DOTALL
)
# Headers that the curl command does not repeat: headers of curl, of a browser, of tools, and ids.
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
    """Return the profile as data for programs. While the request runs, return only the summary."""
    summary = to_summary(profile.row)
    if not profile.is_closed:
        return summary
    samples = profile.load_flame_samples()
    return {**summary, **profile.document, "flame_graph": FlameGraph(samples).to_dict() if samples else None}


def describe_transaction(profile: StoredProfile) -> str:
    """Describe how the transactions of the request ended, and whether its changes are stored."""
    writes = set(_write_outcomes(profile))
    # Steps that are not stored may have changed data too.
    is_complete = not profile.document["dropped_steps"]
    outcome, status = profile.row.transaction, profile.row.status or 0
    if outcome == "rolled_back":
        return _describe_rollback(writes, is_complete=is_complete)
    if outcome == "committed":
        if is_complete and not writes:
            return "committed, but nothing was changed"
        although = f", although the status is {status}" if status >= 400 else ""  # noqa: PLR2004 - of HTTP
        lost = ", except those that a savepoint rolled back" if "lost" in writes else ""
        return f"committed{although}: its changes are stored{lost}"
    return "none: each change was stored immediately" if writes else "none: no query ran in a transaction"


def to_curl(origin: str, method: str, request: RequestDocument, *extra_headers: str) -> str:
    """Return the command for a POSIX shell. Each secret is a shell variable that the user must set.

    If the stored body differs from the sent body, a comment replaces it.
    """
    parts = ["curl", "-i"]
    if method != "GET":
        parts += ["-I"] if method == "HEAD" else ["-X", method]
    url = f"{origin}{without_tools(request['url'])}"
    # Without -g, curl expands brackets and braces to several URLs.
    parts += ["-g"] if re.search(r"[\[\]{}]", url.replace(REDACTED, "")) else []
    parts.append(_quote_url(url))
    lines = [" ".join(parts)]
    body = request["body"]
    for name, value in request["headers"].items():
        # The development server adds a Content-Type even without a body.
        is_sent = body["bytes"] or name.lower() != "content-type"
        if is_sent and not _left_out_headers.fullmatch(name) and (name.lower(), value) != ("accept", "*/*"):
            lines.append(f"-H {_quote_header(name, str(value))}")
    lines += [f"-H {shlex.quote(header)}" for header in extra_headers]
    if body["text"] and not body["is_cut"] and REDACTED not in body["text"]:
        lines.append(f"--data-raw {shlex.quote(body['text'])}")
    command = " \\\n  ".join(lines)
    if body["bytes"] and not lines[-1].startswith("--data-raw"):
        command = f"# The body ({body['bytes']:,} bytes) is not stored completely: add it with --data-raw.\n{command}"
    return command


def without_tools(url: str, **more: str) -> str:
    """Return a URL without the parameters for developer tools, and with the parameters in `more` at its end."""
    parts = urlsplit(url)
    pairs = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in TOOL_PARAMETERS]
    query = "&".join([*pairs, urlencode(more)] if more else pairs)
    return f"{parts.path}?{query}" if query else parts.path


def _render_body(message: ResponseDocument) -> SafeString:
    """Return a body as HTML for a `<pre>`. JSON is indented and colored, other text is unchanged."""
    text = message["body"]["text"]
    headers = {name.lower(): str(value) for name, value in message["headers"].items()}
    html = highlight(text) if "json" in headers.get("content-type", "") else escape_visibly(text)
    return mark_safe(html)  # noqa: S308 - both functions escape


def _flame_graph(request: HttpRequest, profile: StoredProfile) -> FlameGraph | None:
    """Return the flame graph. `?frame=` is the number of the bar at which it starts."""
    samples = profile.load_flame_samples()
    frame = _frame_number.fullmatch(request.GET.get("frame", ""))
    return None if samples is None else FlameGraph(samples, int(frame[0]) if frame else None)


def _repeat_urls(profile: StoredProfile) -> dict[str, str]:
    """Return the URLs with which a browser repeats a GET request: unchanged, with a flame graph, and with silk."""
    if profile.row.method != "GET" or not profile.is_closed or REDACTED in profile.url:
        return {}
    return {
        "plain": without_tools(profile.url),
        "profile": without_tools(profile.url, profile="1", toolbar="off"),
        "silk": without_tools(profile.url, silk=profile.row.id),
    }


def _toolbar(profile: StoredProfile) -> str:
    """Return the toolbar of the request, which loads its panels from the store; empty without a toolbar."""
    if profile.row.toolbar_id is None or not profile.is_closed or not apps.is_installed("debug_toolbar"):
        return ""
    from observability.profiler.toolbar import render_stored_toolbar  # noqa: PLC0415 - the toolbar is optional

    return render_stored_toolbar(profile.row.toolbar_id)


def _describe_rollback(writes: set[str], *, is_complete: bool) -> str:
    if "stored" in writes:
        return "one of several transactions was rolled back: its changes are not stored"
    if not is_complete:
        return "rolled back: its changes are not stored"
    return "rolled back: no change is stored" if writes else "rolled back, but nothing was changed"


def _write_outcomes(profile: StoredProfile) -> Iterator[str]:
    """Yield `stored` or `lost` for each statement that may have changed data, by the end of its transaction."""
    # The number of writes in each open block, outermost block first.
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
    # In a test, the transaction starts before the request and ends after it.
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
