"""Requests that silk records, requests without the toolbar, and the files that pages may load."""

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
def test_silk_does_not_record_requests_of_other_clients(settings: Settings, extra: dict[str, Any]) -> None:
    assert not wants_silk(RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", **extra))
    settings.DEBUG = False
    assert not wants_silk(RequestFactory().get("/", **extra))


def test_request_is_not_recorded_if_silk_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_toolbar_can_be_switched_off_by_query_or_header(query: str, headers: dict[str, str], is_off: bool) -> None:
    assert wants_no_toolbar(RequestFactory().get(f"/?{query}", headers=headers)) is is_off


@pytest.mark.parametrize("static_url", ["/static/", "static/"])
def test_policy_allows_only_files_of_this_origin(settings: Settings, static_url: str) -> None:
    settings.STATIC_URL = static_url
    assert content_security_policy() == CONTENT_SECURITY_POLICY


def test_policy_also_allows_static_files_from_their_host(settings: Settings) -> None:
    settings.STATIC_URL = "https://static.example.com:8443/files/"
    parts = dict(part.split(" ", 1) for part in content_security_policy().split("; "))
    opened = {name for name, sources in parts.items() if "https://static.example.com:8443" in sources}
    assert opened == {"script-src", "style-src", "img-src", "font-src"}
    assert parts["script-src"] == "'self' https://static.example.com:8443"
    assert parts["connect-src"] == "'self'"
