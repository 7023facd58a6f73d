"""Requests of a person, and what the page shows of the answer."""

import html
import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

NAVIGATION = {"sec-fetch-mode": "navigate", "accept": "text/html,*/*;q=0.8"}


@pytest.fixture
def development(settings: Settings) -> None:
    """The page of JSON answers alone, for the test's client."""
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.MIDDLEWARE = [
        settings.MIDDLEWARE[0],
        "observability.profiler.json_page.middleware.JsonPageMiddleware",
        *settings.MIDDLEWARE[1:],
    ]


def opened(path: str, **extra: Any) -> Any:  # noqa: ANN401 - a response of the client
    """Return what a browser gets when a person opens the address."""
    return Client(raise_request_exception=False).get(path, headers=NAVIGATION, **extra)


def json_of(response: HttpResponse) -> str:
    """Return the JSON that the page shows, without white space."""
    shown = response.content.decode().partition('<pre id="json" tabindex="0">')[2].partition("</pre>")[0]
    return re.sub(r"\s", "", html.unescape(re.sub(r"<[^>]*>", "", shown)))


def notices_of(response: HttpResponse) -> str:
    return html.unescape(" ".join(re.findall(r'<p class="notice">(.*?)</p>', response.content.decode())))


def fact(response: HttpResponse, name: str) -> str:
    found = re.search(rf'<dd id="{name}">(.*?)</dd>', response.content.decode())
    assert found is not None
    return found[1]
