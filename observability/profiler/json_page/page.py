"""The HTML of the page: what the observation counted, and the JSON.

It is made without Django's templates, which the toolbar would list as those of the call.
"""

from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.encoding import iri_to_uri
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from observability.core.measurements import to_dict
from observability.core.observation import Observation
from observability.profiler.addresses import REQUEST, REQUESTS
from observability.profiler.audience import RAW
from observability.profiler.charset import decoded
from observability.profiler.highlight import highlight, visible
from observability.profiler.json_page.body import Answer, Body
from observability.profiler.json_page.notices import notices
from observability.profiler.profiles.profile import profile_of
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
<nav aria-label="Calls">{links}</nav>
<main id="content" tabindex="-1">
<h1><span class="status {outcome}">{status} {reason}</span> <span class="method">{method}</span> {address}</h1>
<dl class="facts" id="observation">{facts}{record}</dl>
{notices}{json}
<details><summary>Headers of the JSON answer</summary>
<dl class="headers" id="headers">{headers}</dl>
</details>
</main>
</body>
</html>
"""


def page(request: HttpRequest, response: Answer, body: Body) -> str:
    """The HTML of the page."""
    text, problems = decoded(body.data, response.headers["Content-Type"], is_cut=body.is_cut)
    observation: Observation | None = getattr(request, "observation", None)
    address = raw_address(request)
    return format_html(
        PAGE,
        status=response.status_code,
        reason=response.reason_phrase,
        outcome=_outcome(response.status_code),
        method=request.method,
        path=request.path,
        address=_safe(visible(request.get_full_path())),
        style=static("observability/profiler/theme.css"),
        links=format_html_join("\n", '<a href="{}" id="{}">{}</a>', _links(observation, address)),
        facts=_facts(observation),
        record=_record_of_silk(response.headers.get("X-Silk-URL", "")),
        notices=notices(body, text, problems, address),
        json=format_html('<pre id="json" tabindex="0">{}</pre>', _safe(highlight(text))) if body.data else "",
        headers=format_html_join("", "<dt>{}</dt><dd>{}</dd>", _headers(response)),
    )


def raw_address(request: HttpRequest) -> str:
    """What leads from the page to the answer itself: the same address with `raw`; empty where a link cannot ask for it.

    Without the path, which may begin with two slashes and would then be the address of another host.
    """
    if request.method != "GET":
        return ""
    query = iri_to_uri(request.META.get("QUERY_STRING", ""))
    return f"?{query}&{RAW}" if query else f"?{RAW}"


def _links(observation: Observation | None, raw: str) -> Iterator[tuple[str, str, str]]:
    """Address, id and words of each: to the pages of calls, where the project has them, and to the answer itself."""
    profile = profile_of(observation)
    with suppress(NoReverseMatch):
        if profile is not None:
            yield reverse(REQUEST, args=[profile.id]), "profile", "The page of this call"
        yield reverse(REQUESTS), "profiles", "All calls"
    if raw:
        yield raw, "raw", "The raw answer"


def _outcome(status: int) -> str:
    return "failed" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused" if status >= 400 else "ok"  # noqa: PLR2004


def _facts(observation: Observation | None) -> SafeString:
    """What the observation counted; the numbers are those of the access line, the duration that until here."""
    if observation is None:
        return format_html(
            "<dt>observation</dt><dd>none: the first middleware has to be {}</dd>", "ObservationMiddleware"
        )
    keys = to_dict(observation)
    repeated = keys["db.repeated_count"]
    facts = [
        ("queries", "query-count", f"{keys['db.query_count']}"),
        ("database", "query-duration", f"{keys['db.duration_ms']:.1f} ms"),
        ("transaction", "transaction", keys["db.transaction"]),
        ("duration", "duration", f"{keys['duration_ms']:.1f} ms"),
        ("request id", "request-id", observation.request_id),
        ("log line", "log-line", f"grep {observation.request_id} {log_file()}"),
    ]
    if calls := keys["outgoing.count"]:
        facts.insert(2, ("calls", "outgoing", f"{calls}, {keys['outgoing.duration_ms']:.1f} ms"))
    if repeated > 1:
        facts.insert(1, ("of one statement", "repeated-count", f"{repeated}"))
    if keys.get("db.over_budget"):
        facts.insert(1, ("budget", "query-budget", f"{keys['db.query_budget']}, exceeded"))
    return format_html_join("", '<div class="{1}"><dt>{0}</dt><dd id="{1}">{2}</dd></div>', facts)


def _record_of_silk(address: str) -> SafeString:
    if not address.startswith("/"):
        return mark_safe("")
    return format_html('<div><dt>silk</dt><dd><a href="{0}">{0}</a></dd></div>', address)


def _headers(response: Answer) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in redact(dict(response.headers)).items()]


def log_file() -> str:
    """The file that has the access line, as one would type it from here."""
    handlers = (settings.LOGGING or {}).get("handlers", {})
    path = Path(handlers.get("service", {}).get("filename") or "the log")
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _safe(html: str) -> SafeString:
    """Marks what `highlight` and `visible` have escaped."""
    return mark_safe(html)  # noqa: S308
