"""Whom the room shows something, and what a request asked for."""

from contextlib import suppress

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

PROFILE = "profile"
SILK = "silk"
SILK_HEADER = "X-Silk"


def is_from_developer(request: HttpRequest) -> bool:
    """Whether the request may see the insides of the service: DEBUG is on, and its address is in INTERNAL_IPS."""
    return settings.DEBUG and request.META.get("REMOTE_ADDR") in settings.INTERNAL_IPS


def is_from_browser(request: HttpRequest) -> bool:
    """Whether a browser sent it, by the header (Fetch Metadata) that each one sends to localhost and over HTTPS."""
    return "Sec-Fetch-Mode" in request.headers


def opens_a_page(request: HttpRequest) -> bool:
    """Whether a browser will show the answer to a person; `fetch()` and programs take it as it is."""
    return request.headers.get("Sec-Fetch-Mode") == "navigate" and "text/html" in request.headers.get("Accept", "")


def wants_profile(request: HttpRequest) -> bool:
    """Whether it asked for the profile of its Python code, by `?profile`."""
    return PROFILE in request.GET


def wants_silk(request: HttpRequest) -> bool:
    """Whether silk is to record it: a developer asked, by `?silk` or the header X-Silk, and silk is there."""
    is_asked = SILK in request.GET or SILK_HEADER in request.headers
    return is_asked and is_from_developer(request) and apps.is_installed("silk")


def is_page_of_silk(request: HttpRequest) -> bool:
    """Whether it opens silk's own interface."""
    with suppress(NoReverseMatch):
        return request.path.startswith(reverse("silk:summary"))
    return False


def shows_toolbar(request: HttpRequest) -> bool:
    """The toolbar's SHOW_TOOLBAR_CALLBACK.

    The toolbar processes, renders and stores each request that it is shown for, JSON too, so programs go without it.
    So do a request that silk records, since each would count the other's queries, and silk's own pages, which it would
    cover.
    """
    is_for_silk = wants_silk(request) or is_page_of_silk(request)
    return is_from_browser(request) and is_from_developer(request) and not is_for_silk
