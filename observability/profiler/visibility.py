"""Visibility: who may see the profiler, which tools a request selects, and what the profiler's pages may load."""

import re
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest

PROFILE = "profile"
PROFILE_HEADER = "X-Profile"
RAW = "raw"
SILK = "silk"
SILK_HEADER = "X-Silk"
TOOLBAR = "toolbar"
TOOLBAR_HEADER = "X-Toolbar"
OFF = "off"
# Query parameters for developer tools. They do not change the response of the application.
TOOL_PARAMETERS = frozenset({PROFILE, RAW, SILK, TOOLBAR})

# Browsers use only scripts, styles and data from files of this origin, never inline ones. So text of a request in a
# page cannot become code. The fonts and images of the toolbar are files; the empty favicon is a `data:` URL.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def is_from_developer(request: HttpRequest) -> bool:
    """Return whether the client may see the profiler: DEBUG is on and its address is in INTERNAL_IPS."""
    return settings.DEBUG and request.META.get("REMOTE_ADDR") in settings.INTERNAL_IPS


def is_navigation(request: HttpRequest) -> bool:
    """Return whether a browser will show the response as a page. This is false for `fetch()` and programs."""
    return request.headers.get("Sec-Fetch-Mode") == "navigate" and "text/html" in request.headers.get("Accept", "")


def wants_raw(request: HttpRequest) -> bool:
    """Return whether the URL selects the raw response instead of its page (`?raw`)."""
    return RAW in request.GET


def wants_flame_graph(request: HttpRequest) -> bool:
    """Return whether the request selects a flame graph (`?profile` or the header X-Profile)."""
    return PROFILE in request.GET or PROFILE_HEADER in request.headers


def wants_silk(request: HttpRequest) -> bool:
    """Return whether silk records the request: a developer has selected silk, and silk is installed."""
    return silk_parameter(request) is not None and is_from_developer(request) and apps.is_installed("silk")


def silk_parameter(request: HttpRequest) -> str | None:
    """Return the value of `?silk` or X-Silk: the id of the repeated profile, or any text; None without both."""
    return request.GET.get(SILK, request.headers.get(SILK_HEADER))


def wants_no_toolbar(request: HttpRequest) -> bool:
    """Return whether the request must run without the toolbar (`?toolbar=off` or the header X-Toolbar: off)."""
    return request.GET.get(TOOLBAR, request.headers.get(TOOLBAR_HEADER, "")).lower() == OFF


def content_security_policy() -> str:
    """Return the Content-Security-Policy of the pages, with the origin of STATIC_URL if it has a host."""
    parts = urlsplit(settings.STATIC_URL or "")
    if not parts.netloc:
        return CONTENT_SECURITY_POLICY
    origin = f"{parts.scheme}://{parts.netloc}" if parts.scheme else parts.netloc
    return re.sub(r"((?:script|style|img|font)-src 'self')", rf"\1 {origin}", CONTENT_SECURITY_POLICY)
