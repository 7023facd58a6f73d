"""Visibility: who may see the profiler, which tools a request selects, and what the profiler's pages may load."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

from observability.conf import configuration
from observability.recorders.client_address import forwarded_address, parse_address

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

# Headers that proxies and tunnels add.
FORWARDING_PREFIX = "HTTP_X_FORWARDED"
FORWARDING_HEADERS = frozenset({
    "HTTP_CF_CONNECTING_IP", "HTTP_CF_RAY", "HTTP_CLIENT_IP", "HTTP_FASTLY_CLIENT_IP", "HTTP_FLY_CLIENT_IP",
    "HTTP_FORWARDED", "HTTP_FORWARDED_FOR", "HTTP_TAILSCALE_USER_LOGIN", "HTTP_TRUE_CLIENT_IP", "HTTP_VIA",
    "HTTP_X_CLIENT_IP", "HTTP_X_CLUSTER_CLIENT_IP", "HTTP_X_ENVOY_EXTERNAL_ADDRESS", "HTTP_X_ORIGINAL_FORWARDED_FOR",
    "HTTP_X_ORIGINAL_HOST", "HTTP_X_REAL_IP", "HTTP_X_REMOTE_ADDR",
})  # fmt: skip
TEST_SERVER = "testserver"

# Browsers use only scripts, styles and data from files of this origin, never inline ones. So text of a request in a
# page cannot become code. The fonts and images of the toolbar are files; the empty favicon is a `data:` URL.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def is_from_developer(request: HttpRequest) -> bool:
    """Return whether the client may see the profiler: DEBUG is on, and its address is in INTERNAL_IPS.

    Behind a proxy or a tunnel on this machine, each client has the address of this machine. So a request that was
    forwarded is not a developer's, unless a trusted proxy (TRUSTED_PROXY_COUNT) names a client in INTERNAL_IPS. And a
    request from this machine is a developer's only if its Host is this machine or in DEVELOPER_HOSTS.
    """
    if not settings.DEBUG:
        return False
    meta = request.META
    peer = parse_address(str(meta.get("REMOTE_ADDR", ""))) or ""
    client = _forwarded_client(meta) if _is_forwarded(meta) else peer
    if not client or peer not in settings.INTERNAL_IPS or client not in settings.INTERNAL_IPS:
        return False
    return not ip_address(client).is_loopback or _is_developer_host(meta)


def _is_forwarded(meta: Mapping[str, Any]) -> bool:
    return any(name in FORWARDING_HEADERS or name.startswith(FORWARDING_PREFIX) for name in meta)


def _forwarded_client(meta: Mapping[str, Any]) -> str | None:
    """Return the client that the trusted proxies name; None if the request did not pass all of them."""
    count = configuration().trusted_proxy_count
    entries = [part for part in str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",") if part.strip()]
    return forwarded_address(meta, count) if len(entries) >= count else None


def _is_developer_host(meta: Mapping[str, Any]) -> bool:
    # Only the test clients of Django have a server with this name, or a port that no connection has.
    is_test = meta.get("SERVER_NAME") == TEST_SERVER or meta.get("REMOTE_PORT") == 0
    if is_test and meta.get("HTTP_HOST", TEST_SERVER) == TEST_SERVER:
        return True
    host = split_domain_port(str(meta.get("HTTP_HOST", "")))[0].removesuffix(".")
    if not host:
        return False
    if host == "localhost" or host.endswith(".localhost") or validate_host(host, configuration().developer_hosts):
        return True
    address = parse_address(host)
    return address is not None and ip_address(address).is_loopback


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
