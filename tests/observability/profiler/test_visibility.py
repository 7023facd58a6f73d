"""Which requests silk records, which go without the toolbar, and what pages may load."""

from typing import Any

import pytest
from django.apps import apps
from django.test import RequestFactory
from pytest_django import Settings

from observability.profiler.visibility import (
    CONTENT_SECURITY_POLICY,
    content_security_policy,
    wants_no_toolbar,
    wants_silk,
)


@pytest.fixture(autouse=True)
def development(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    monkeypatch.setattr(apps, "is_installed", {"silk"}.__contains__)


@pytest.mark.parametrize("extra", [{"QUERY_STRING": "silk"}, {"headers": {"X-Silk": "1"}}])
def test_silk_records_a_request_of_a_developer_with_its_query_or_header(extra: dict[str, Any]) -> None:
    assert wants_silk(RequestFactory().get("/", **extra))
    assert not wants_silk(RequestFactory().get("/"))


@pytest.mark.parametrize("extra", [{"QUERY_STRING": "silk"}, {"headers": {"X-Silk": "1"}}])
def test_silk_records_nothing_for_others(settings: Settings, extra: dict[str, Any]) -> None:
    assert not wants_silk(RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", **extra))
    settings.DEBUG = False
    assert not wants_silk(RequestFactory().get("/", **extra))


def test_silk_records_nothing_if_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "is_installed", set[str]().__contains__)
    assert not wants_silk(RequestFactory().get("/?silk"))


@pytest.mark.parametrize(
    ("query", "headers", "is_off"),
    [
        ("toolbar=off", {}, True),
        ("toolbar=OFF", {}, True),
        ("", {"X-Toolbar": "Off"}, True),
        ("toolbar=on", {"X-Toolbar": "off"}, False),
        ("toolbar", {}, False),
        ("", {}, False),
    ],
)
def test_toolbar_is_left_out_by_the_query_or_else_by_the_header(
    query: str, headers: dict[str, str], is_off: bool
) -> None:
    assert wants_no_toolbar(RequestFactory().get(f"/?{query}", headers=headers)) is is_off


@pytest.mark.parametrize("static_url", ["/static/", "static/"])
def test_files_come_from_this_origin_alone(settings: Settings, static_url: str) -> None:
    settings.STATIC_URL = static_url
    assert content_security_policy() == CONTENT_SECURITY_POLICY


def test_files_come_from_the_host_of_static_files_too_and_nothing_else_does(settings: Settings) -> None:
    settings.STATIC_URL = "https://static.example.com:8443/files/"
    parts = dict(part.split(" ", 1) for part in content_security_policy().split("; "))
    opened = {name for name, sources in parts.items() if "https://static.example.com:8443" in sources}
    assert opened == {"script-src", "style-src", "img-src", "font-src"}
    assert parts["script-src"] == "'self' https://static.example.com:8443"
    assert parts["connect-src"] == "'self'"
