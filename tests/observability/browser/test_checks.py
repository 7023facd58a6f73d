"""The system checks of the room."""

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from observability.browser.checks import JSON_PAGE, TOOLBAR


@pytest.fixture(autouse=True)
def installed(settings: Settings) -> None:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "observability.browser"]
    settings.DEBUG = True


def ids() -> list[str]:
    return [str(message.id) for message in run_checks(tags=["observability"])]


def test_development_passes(settings: Settings) -> None:
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], TOOLBAR, JSON_PAGE, *settings.MIDDLEWARE[1:]]
    assert ids() == []


def test_room_without_debug_is_a_warning(settings: Settings) -> None:
    settings.DEBUG = False
    assert ids() == ["observability.W101"]


def test_page_around_the_toolbar_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], JSON_PAGE, TOOLBAR, *settings.MIDDLEWARE[1:]]
    assert ids() == ["observability.W102"]
