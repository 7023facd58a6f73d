"""Whom the room shows something, and what a request asked for."""

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
# What in an address asks for a tool, and not for another answer.
TOOL_PARAMETERS = frozenset({PROFILE, RAW, SILK, TOOLBAR})


def is_from_developer(request: HttpRequest) -> bool:
    """Whether the request may see the insides of the service: DEBUG is on, and its address is in INTERNAL_IPS."""
    return settings.DEBUG and request.META.get("REMOTE_ADDR") in settings.INTERNAL_IPS


def opens_a_page(request: HttpRequest) -> bool:
    """Whether a browser will show the answer to a person; `fetch()` and programs take it as it is."""
    return request.headers.get("Sec-Fetch-Mode") == "navigate" and "text/html" in request.headers.get("Accept", "")


def wants_raw(request: HttpRequest) -> bool:
    """Whether a person who opens the address wants the answer itself and no page of it, by `?raw`."""
    return RAW in request.GET


def wants_flame_graph(request: HttpRequest) -> bool:
    """Whether it asked for a flame graph of its Python code, by `?profile` or the header X-Profile."""
    return PROFILE in request.GET or PROFILE_HEADER in request.headers


def wants_silk(request: HttpRequest) -> bool:
    """Whether silk is to record it: a developer asked, by `?silk` or the header X-Silk, and silk is there."""
    return silk_of(request) is not None and is_from_developer(request) and apps.is_installed("silk")


def silk_of(request: HttpRequest) -> str | None:
    """What stands at `?silk` or in X-Silk: the id of the call that it repeats, or anything; None without either."""
    return request.GET.get(SILK, request.headers.get(SILK_HEADER))


def goes_without_toolbar(request: HttpRequest) -> bool:
    """Whether it asked to be measured without the toolbar, by `?toolbar=off` or the header X-Toolbar: off."""
    return request.GET.get(TOOLBAR, request.headers.get(TOOLBAR_HEADER, "")).lower() == OFF
