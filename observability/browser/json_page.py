"""A JSON answer that is opened in a browser, as a page that can be read and that the debug toolbar can be put into.

What a program gets stays as it is, byte for byte.
"""

import json
import zlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.templatetags.static import static
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from observability.browser.audience import is_from_developer, opens_a_page
from observability.browser.highlight import highlight, visible
from observability.observation import Observation
from observability.redaction import redact

MAX_SHOWN_BYTES = 1024 * 1024

# They describe the bytes of the JSON, not those of the page; the page lists all headers of the JSON.
HEADERS_OF_THE_JSON = ("Content-Encoding", "Content-Length", "ETag", "Last-Modified", "Accept-Ranges", "Expires")

# No script but the toolbar's files: what a string of the JSON says can never run. The toolbar styles its bars in place.
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)

GetResponse = Callable[[HttpRequest], HttpResponseBase]
GetResponseAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class JsonPageMiddleware:
    """Shows a developer who opens an address in a browser its JSON as a page; errors too, with their status.

    It stands right after the toolbar's middleware, which puts the toolbar into the page. Streaming answers, downloads
    and redirects stay as they are, and so does everything while DEBUG is off.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse | GetResponseAsync) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._call_async(request)
        return shown(request, cast("GetResponse", self.get_response)(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        return shown(request, await cast("GetResponseAsync", self.get_response)(request))


def shown(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The response, turned into a page where it is JSON and a developer opened it."""
    if not (opens_a_page(request) and is_from_developer(request)):
        return response
    if not (isinstance(response, HttpResponse) and is_shown_as_page(response)):
        return response
    body = readable_body(response)
    if body is None:
        return response
    html = page(request, response, body).encode(errors="replace")
    for header in HEADERS_OF_THE_JSON:
        response.headers.pop(header, None)
    response.content = html
    response.headers["Content-Type"] = "text/html; charset=utf-8"
    response.headers["Content-Length"] = str(len(response.content))
    response.headers["Content-Security-Policy"] = POLICY
    # A cache must never give the page to a program that asks for the same address.
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["Accept", "Sec-Fetch-Mode"])
    return response


def is_shown_as_page(response: HttpResponse) -> bool:
    """Whether it is JSON for a person to read, and no download or redirect."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    is_download = response.headers.get("Content-Disposition", "").lower().startswith("attachment")
    return is_json and not is_download and "Location" not in response.headers


def readable_body(response: HttpResponse) -> bytes | None:
    """The first of its bytes, one more than are shown, decompressed; None where it has none that can be read."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return response.content[: MAX_SHOWN_BYTES + 1] or None
    if encoding != "gzip":
        return None
    try:
        # Never more than is shown: a small body can decompress to any size.
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(response.content, MAX_SHOWN_BYTES + 1) or None
    except zlib.error:
        return None


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
<body>
<header>
<h1><span class="status {outcome}">{status} {reason}</span> <span class="method">{method}</span> {address}</h1>
<dl id="observation">{facts}{record}</dl>
</header>
<main>
{notice}<pre id="json" tabindex="0">{json}</pre>
</main>
<details><summary>Headers of the JSON answer</summary>
<dl id="headers">{headers}</dl>
</details>
</body>
</html>
"""


def page(request: HttpRequest, response: HttpResponse, body: bytes) -> str:
    """The HTML of the page; `body` is what `readable_body` gave."""
    text = body[:MAX_SHOWN_BYTES].decode(errors="replace")
    observation: Observation | None = getattr(request, "observation", None)
    return format_html(
        PAGE,
        status=response.status_code,
        reason=response.reason_phrase,
        outcome=_outcome(response.status_code),
        method=request.method,
        path=request.path,
        address=_safe(visible(request.get_full_path())),
        style=static("observability/browser/json_page.css"),
        facts=_facts(observation),
        record=_record_of_silk(response.headers.get("X-Silk-URL", "")),
        notice=_notice(text, is_cut=len(body) > MAX_SHOWN_BYTES),
        json=_safe(highlight(text)),
        headers=format_html_join("", "<dt>{}</dt><dd>{}</dd>", _headers(response)),
    )


def _outcome(status: int) -> str:
    return "failed" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused" if status >= 400 else "ok"  # noqa: PLR2004


def _facts(observation: Observation | None) -> SafeString:
    """What the observation counted; the numbers are those of the access line, the duration that until here."""
    if observation is None:
        return format_html(
            "<dt>observation</dt><dd>none: the first middleware has to be {}</dd>", "ObservationMiddleware"
        )
    repeated = observation.repeated_count
    facts = [
        ("queries", "query-count", f"{observation.query_count}"),
        ("database", "query-duration", f"{observation.query_duration_ms:.1f} ms"),
        ("transaction", "transaction", observation.transaction),
        ("duration", "duration", f"{observation.duration_ms:.1f} ms"),
        ("request id", "request-id", observation.request_id),
        ("log line", "log-line", f"grep {observation.request_id} {log_file()}"),
    ]
    if calls := observation.outgoing_count:
        facts.insert(2, ("calls", "outgoing", f"{calls}, {observation.outgoing_duration_ms:.1f} ms"))
    if repeated > 1:
        facts.insert(1, ("of one statement", "repeated-count", f"{repeated}"))
    if observation.over_budget:
        facts.insert(1, ("budget", "query-budget", f"{observation.query_budget}, exceeded"))
    return format_html_join("", '<div class="{1}"><dt>{0}</dt><dd id="{1}">{2}</dd></div>', facts)


def _record_of_silk(address: str) -> SafeString:
    if not address.startswith("/"):
        return mark_safe("")
    return format_html('<div><dt>silk</dt><dd><a href="{0}">{0}</a></dd></div>', address)


def _notice(text: str, *, is_cut: bool) -> SafeString:
    if is_cut:
        return mark_safe('<p class="notice">Only the first MiB is shown. A program (curl, fetch) gets all of it.</p>')
    try:
        json.loads(text, parse_int=str)  # Python refuses to read an integer of more than 4,300 digits
    except (ValueError, RecursionError) as error:
        return format_html('<p class="notice">The answer says that it is JSON, and is not: {}.</p>', error)
    return mark_safe("")


def _headers(response: HttpResponse) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in redact(dict(response.headers)).items()]


def log_file() -> str:
    """The file that has the access line, as one would type it from here."""
    handlers = (settings.LOGGING or {}).get("handlers", {})
    path = Path(handlers.get("service", {}).get("filename") or "the log")
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _safe(html: str) -> SafeString:
    """Marks what `highlight` and `visible` have escaped."""
    return mark_safe(html)  # noqa: S308
