"""The addresses of the room's own pages, and of the other tools of a developer."""

from functools import lru_cache
from urllib.parse import quote, unquote_plus

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse
from django.utils.translation import get_language

from observability.redaction import redact, redact_text

REQUESTS = "observability_profiler:requests"
REQUEST = "observability_profiler:request"
# An address of each tool, and what follows the beginning that all of its addresses have.
_tools = ((REQUESTS, ""), ("djdt:render_panel", "render_panel/"), ("silk:summary", ""))


def is_of_tools(path: str) -> bool:
    """Whether an address is one of the tools' own (these pages, the toolbar, silk) or a static file."""
    return path.startswith(_beginnings(get_urlconf(), get_script_prefix(), get_language()))


@lru_cache(maxsize=16)
def _beginnings(urlconf: str | None, _script_prefix: str, _language: str | None) -> tuple[str, ...]:
    found = [settings.STATIC_URL] if settings.STATIC_URL and settings.STATIC_URL != "/" else []
    for name, end in _tools:
        try:
            found.append(reverse(name, urlconf).removesuffix(end))
        except NoReverseMatch:
            continue
    return tuple(found)


def profile_url(request: HttpRequest, profile_id: str) -> str:
    """The address of a call's page with scheme and host, or without where the host is not allowed.

    Raises `NoReverseMatch` where the addresses of the room are not among the project's.
    """
    path = f"{_requests(get_urlconf(), get_script_prefix(), get_language())}{profile_id}/"
    try:
        return f"{request.scheme}://{request.get_host()}{path}"
    except DisallowedHost:
        return path


@lru_cache(maxsize=16)
def _requests(urlconf: str | None, _script_prefix: str, _language: str | None) -> str:
    return reverse(REQUESTS, urlconf)


def redacted_url(url: str) -> str:
    """The path and query as they were sent, without the values of secret parameters."""
    path, mark, query = url.partition("?")
    return f"{path}{mark}{'&'.join(map(redacted_pair, query.split('&')))}"


def redacted_pair(pair: str) -> str:
    """A parameter as it was sent, or what of it is no secret."""
    name, mark, value = pair.partition("=")
    known_name, known = unquote_plus(name), unquote_plus(value)
    shown_name, shown = redact_text(known_name), redact(known, known_name)
    if shown_name != known_name:
        name = quote(shown_name, safe="[]")
    return f"{name}{mark}{value if shown == known else quote(shown, safe='[]')}"
