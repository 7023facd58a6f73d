"""The Content-Security-Policy of the room's pages."""

import pytest
from pytest_django import Settings

from observability.profiler.policy import POLICY, policy


@pytest.mark.parametrize("static_url", ["/static/", "static/"])
def test_files_come_from_this_origin_alone(settings: Settings, static_url: str) -> None:
    settings.STATIC_URL = static_url
    assert policy() == POLICY


def test_files_come_from_the_host_of_static_files_too_and_nothing_else_does(settings: Settings) -> None:
    settings.STATIC_URL = "https://static.example.com:8443/files/"
    parts = dict(part.split(" ", 1) for part in policy().split("; "))
    opened = {name for name, sources in parts.items() if "https://static.example.com:8443" in sources}
    assert opened == {"script-src", "style-src", "img-src", "font-src"}
    assert parts["script-src"] == "'self' https://static.example.com:8443"
    assert parts["connect-src"] == "'self'"
