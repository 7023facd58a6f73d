"""The page of a JSON response: the numbers of the observation, notices, the JSON, and the headers.

This page does not use Django's templates, because the toolbar would list them as templates of the request.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.cache import patch_vary_headers
from django.utils.encoding import iri_to_uri
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from observability.core.measurements import to_dict
from observability.core.observation import Observation
from observability.profiler import json_body
from observability.profiler.body_text import decode_text
from observability.profiler.highlight import escape_visibly, highlight
from observability.profiler.json_body import Body, JsonResponse
from observability.profiler.links import REQUEST_LIST, REQUEST_PAGE
from observability.profiler.profile import ensure_profile
from observability.profiler.visibility import RAW, content_security_policy
from observability.redaction import redact

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{status} {method} {path}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
</head>
<body class="with-toolbar">
<a class="skip" href="#content">Skip to the content</a>
<nav aria-label="Requests">{links}</nav>
<main id="content" tabindex="-1">
<h1><span class="status {outcome}">{status} {reason}</span> <span class="method">{method}</span> {url}</h1>
<dl class="facts" id="observation">{facts}{silk_record}</dl>
{notices}{json}
<details><summary>Headers of the JSON response</summary>
<dl class="headers" id="headers">{headers}</dl>
</details>
</main>
</body>
</html>
"""
# Headers that describe the bytes or the use of the JSON. The page lists them, but its own response does not have them.
JSON_HEADERS = (
    "Accept-Ranges",
    "Content-Digest",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "Content-Security-Policy-Report-Only",
    "ETag",
    "Expires",
    "Last-Modified",
    "Repr-Digest",
)


def render_page(request: HttpRequest, response: JsonResponse, body: Body) -> str:
    """Return the HTML of the page."""
    text, problems = decode_text(body.data, response.headers["Content-Type"], is_cut=body.is_cut)
    observation: Observation | None = getattr(request, "observation", None)
    raw_url = _raw_url(request)
    return format_html(
        PAGE,
        status=response.status_code,
        reason=response.reason_phrase,
        outcome=_outcome(response.status_code),
        method=request.method,
        path=request.path,
        url=_mark_escaped(escape_visibly(request.get_full_path())),
        style=static("observability/profiler/theme.css"),
        links=format_html_join("\n", '<a href="{}" id="{}">{}</a>', _links(observation, raw_url)),
        facts=_render_facts(observation),
        silk_record=_render_silk_link(response.headers.get("X-Silk-URL", "")),
        notices=_render_notices(body, text, problems, raw_url),
        json=format_html('<pre id="json" tabindex="0">{}</pre>', _mark_escaped(highlight(text))) if body.data else "",
        headers=format_html_join("", "<dt>{}</dt><dd>{}</dd>", _headers(response)),
    )


def to_page_response(response: JsonResponse, page: str) -> HttpResponse:
    """Return the page with the status, cookies and headers of the JSON response, and a Content-Security-Policy."""
    page_response = _StreamPageResponse(response) if isinstance(response, StreamingHttpResponse) else response
    for header in JSON_HEADERS:
        page_response.headers.pop(header, None)
    # The toolbar uses the charset of the response to decode the page.
    page_response.charset = "utf-8"
    page_response.content = page.encode(errors="replace")
    page_response.headers["Content-Type"] = "text/html; charset=utf-8"
    page_response.headers["Content-Length"] = str(len(page_response.content))
    page_response.headers["Content-Security-Policy"] = content_security_policy()
    # A cache must not return the page to a program that requests the same URL.
    page_response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(page_response, ["Accept", "Sec-Fetch-Mode"])
    return page_response


class _StreamPageResponse(HttpResponse):
    """The page of a streaming response. Closing the page closes the stream exactly once.

    Closing a response ends its request in Django, so this must happen for only one of the two responses. It happens for
    the stream, because its class may override `close`.
    """

    def __init__(self, stream: StreamingHttpResponse) -> None:
        super().__init__(status=stream.status_code, reason=stream.reason_phrase)
        self._stream = stream
        self.headers = stream.headers
        self.cookies = stream.cookies
        # Django adds its closers to the list of the page. It is the list of the stream, which calls them.
        self._resource_closers = stream._resource_closers  # type: ignore[attr-defined] # noqa: SLF001

    def close(self) -> None:
        self._stream._handler_class = self._handler_class  # type: ignore[attr-defined] # noqa: SLF001
        self._stream.close()
        self.closed = True


def _raw_url(request: HttpRequest) -> str:
    """Return the link to the raw response: the same URL with `raw`; empty if a link cannot repeat this request.

    The link has no path, because a path that starts with two slashes would mean another host.
    """
    if request.method != "GET":
        return ""
    query = iri_to_uri(request.META.get("QUERY_STRING", ""))
    return f"?{query}&{RAW}" if query else f"?{RAW}"


def _links(observation: Observation | None, raw_url: str) -> Iterator[tuple[str, str, str]]:
    """Yield the URL, the id and the text of each link."""
    profile = ensure_profile(observation)
    with suppress(NoReverseMatch):
        if profile is not None:
            yield reverse(REQUEST_PAGE, args=[profile.id]), "profile", "Profile of this request"
        yield reverse(REQUEST_LIST), "profiles", "All requests"
    if raw_url:
        yield raw_url, "raw", "Raw response"


def _outcome(status: int) -> str:
    return "failed" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused" if status >= 400 else "ok"  # noqa: PLR2004


def _render_facts(observation: Observation | None) -> SafeString:
    """Render the numbers of the access log line. The duration is the time up to now."""
    if observation is None:
        return format_html(
            "<dt>observation</dt><dd>missing: add {} as the first middleware</dd>", "ObservationMiddleware"
        )
    keys = to_dict(observation)
    repeated_count = keys["db.repeated_count"]
    facts = [
        ("queries", "query-count", f"{keys['db.query_count']}"),
        ("query time", "query-duration", f"{keys['db.duration_ms']:.1f} ms"),
        ("transaction", "transaction", keys["db.transaction"]),
        ("duration", "duration", f"{keys['duration_ms']:.1f} ms"),
        ("request id", "request-id", observation.request_id),
        ("log lines", "log-line", f"grep {observation.request_id} {_log_file()}"),
    ]
    if outgoing_count := keys["outgoing.count"]:
        facts.insert(2, ("outgoing requests", "outgoing", f"{outgoing_count}, {keys['outgoing.duration_ms']:.1f} ms"))
    if repeated_count > 1:
        facts.insert(1, ("most repeated query", "repeated-count", f"{repeated_count} times"))
    if keys.get("db.over_budget"):
        facts.insert(1, ("query budget", "query-budget", f"{keys['db.query_budget']}, exceeded"))
    return format_html_join("", '<div class="{1}"><dt>{0}</dt><dd id="{1}">{2}</dd></div>', facts)


def _log_file() -> str:
    """Return the path of the log file with the access log line, relative to the working directory."""
    handlers = (settings.LOGGING or {}).get("handlers", {})
    path = Path(handlers.get("service", {}).get("filename") or "the log")
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _render_silk_link(url: str) -> SafeString:
    if not url.startswith("/"):
        return mark_safe("")
    return format_html('<div><dt>silk</dt><dd><a href="{0}">{0}</a></dd></div>', url)


def _headers(response: JsonResponse) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in redact(dict(response.headers)).items()]


def _render_notices(body: Body, text: str, charset_problems: list[str], raw_url: str) -> SafeString:
    """Render a paragraph for each problem of the response, and for a part that is not shown."""
    sentences = [*_body_notices(body, raw_url), *charset_problems]
    if text and not (body.is_cut or body.problem):
        sentences += _json_notices(text)
    return format_html_join("", '<p class="notice">{}</p>', [(sentence,) for sentence in sentences])


def _body_notices(body: Body, raw_url: str) -> Iterator[str]:
    wait_s = f"{json_body.MAX_WAIT_S:g}"
    if body.problem:
        yield f"The body does not match Content-Encoding ({body.problem}). Only the part before the error is shown."
    elif body.is_late and not body.data:
        yield format_html("The body did not start within {} seconds. {}", wait_s, _link_to_whole_body(raw_url))
    elif body.is_late:
        yield format_html(
            "Only the part of the body from the first {} seconds is shown. {}", wait_s, _link_to_whole_body(raw_url)
        )
    elif body.is_cut:
        yield format_html("Only the first MiB of the body is shown. {}", _link_to_whole_body(raw_url))
    elif not body.data:
        yield "The response has no body."


def _link_to_whole_body(raw_url: str) -> SafeString:
    if not raw_url:
        return mark_safe("A program (curl, fetch) gets the whole body.")
    return format_html('<a href="{}">The raw response</a> has the whole body.', raw_url)


def _json_notices(text: str) -> Iterator[str]:
    try:
        # Python rejects integers of more than 4,300 digits, and accepts three constants that JSON does not have.
        json.loads(text, parse_int=str, parse_constant=_refuse_constant)
    except ValueError as error:
        yield f"Content-Type says JSON, but the body is not valid JSON: {error}."
    except RecursionError:
        # The JSON is too deep for Python's parser, so it is not known whether it is valid.
        return


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _mark_escaped(html: str) -> SafeString:
    """Mark HTML from `highlight` or `escape_visibly` as safe."""
    return mark_safe(html)  # noqa: S308
