"""Links to the profiler's pages, and URLs without their secrets."""

from functools import lru_cache
from urllib.parse import quote, unquote_plus

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse
from django.utils.translation import get_language

from observability.redaction import redact, redact_text

# Names of URL patterns, for `reverse()`.
REQUEST_LIST = "observability_profiler:requests"
REQUEST_PAGE = "observability_profiler:request"
# A URL pattern of each tool, and the part of its URL after the common prefix of the tool.
_tools = ((REQUEST_LIST, ""), ("djdt:render_panel", "render_panel/"), ("silk:summary", ""))


def is_tool_path(path: str) -> bool:
    """Return whether a path belongs to a developer tool (profiler, toolbar, silk) or is a static file."""
    return path.startswith(_tool_prefixes(get_urlconf(), get_script_prefix(), get_language()))


@lru_cache(maxsize=16)
def _tool_prefixes(urlconf: str | None, _script_prefix: str, _language: str | None) -> tuple[str, ...]:
    prefixes = [settings.STATIC_URL] if settings.STATIC_URL and settings.STATIC_URL != "/" else []
    for name, end in _tools:
        try:
            prefixes.append(reverse(name, urlconf).removesuffix(end))
        except NoReverseMatch:
            continue
    return tuple(prefixes)


def profile_url(request: HttpRequest, profile_id: str) -> str:
    """Return the URL of the page of a profile; only its path if the host of the request is not allowed.

    Raises `NoReverseMatch` if the project does not include the profiler's URLs.
    """
    path = f"{_request_list_path(get_urlconf(), get_script_prefix(), get_language())}{profile_id}/"
    try:
        return f"{request.scheme}://{request.get_host()}{path}"
    except DisallowedHost:
        return path


@lru_cache(maxsize=16)
def _request_list_path(urlconf: str | None, _script_prefix: str, _language: str | None) -> str:
    return reverse(REQUEST_LIST, urlconf)


def redact_url(url: str) -> str:
    """Return the path and query of a URL with redacted values of secret parameters. The rest is unchanged."""
    path, mark, query = url.partition("?")
    return f"{path}{mark}{'&'.join(map(redact_parameter, query.split('&')))}"


def redact_parameter(pair: str) -> str:
    """Return a URL-encoded `name=value`. The value is redacted if it is secret; else the text is unchanged."""
    name, mark, value = pair.partition("=")
    decoded_name, decoded_value = unquote_plus(name), unquote_plus(value)
    safe_name, safe_value = redact_text(decoded_name), redact(decoded_value, decoded_name)
    if safe_name != decoded_name:
        name = quote(safe_name, safe="[]")
    return f"{name}{mark}{value if safe_value == decoded_value else quote(safe_value, safe='[]')}"
