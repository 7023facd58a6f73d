"""The system checks of the profiler."""

from itertools import pairwise

import pytest
from django.core.checks import run_checks
from django.urls import include, path
from pytest_django import Settings

from observability.profiler.checks import JSON_PAGE, ORDER, PROFILE, READER, STORE, TOOLBAR
from tests.probe.urls import urlpatterns as probe_urlpatterns

urlpatterns = [*probe_urlpatterns, path("__debug__/requests/", include("observability.profiler.urls"))]


@pytest.fixture(autouse=True)
def installed(settings: Settings) -> None:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "observability.profiler"]
    settings.DEBUG = True


@pytest.fixture
def whole(settings: Settings) -> None:
    """Install all parts in the right order."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], TOOLBAR, JSON_PAGE, PROFILE, *settings.MIDDLEWARE[1:]]
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"READERS": [*settings.OBSERVABILITY["READERS"], READER]}


def found() -> list[tuple[str, str]]:
    return [(str(message.id), str(message.hint)) for message in run_checks(tags=["observability"])]


@pytest.mark.usefixtures("whole")
def test_development_passes() -> None:
    assert found() == []


def test_json_page_without_profiles_passes(settings: Settings) -> None:
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], JSON_PAGE, *settings.MIDDLEWARE[1:]]
    assert found() == []


@pytest.mark.usefixtures("whole")
def test_profiler_without_debug_is_a_warning(settings: Settings) -> None:
    settings.DEBUG = False
    assert [number for number, _ in found()] == ["observability.W101"]


@pytest.mark.parametrize(("first", "second"), list(pairwise(ORDER)))
def test_wrong_order_of_middleware_is_a_warning(settings: Settings, first: str, second: str) -> None:
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], second, first, *settings.MIDDLEWARE[1:]]
    assert ("observability.W102", f"Move {first!r} before {second!r}.") in found()


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("part", ["MIDDLEWARE", "READERS", "URLs"])
def test_missing_part_is_reported(settings: Settings, part: str) -> None:
    match part:
        case "MIDDLEWARE":
            settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if path != PROFILE]
        case "READERS":
            readers = [path for path in settings.OBSERVABILITY["READERS"] if path != READER]
            settings.OBSERVABILITY = settings.OBSERVABILITY | {"READERS": readers}
        case "URLs":
            settings.ROOT_URLCONF = "tests.probe.urls"
    ((number, hint),) = found()
    assert number == "observability.W103"
    assert part in hint
    assert hint.count(";") == 0


def test_toolbar_store_without_the_parts_that_write_it_is_a_warning(settings: Settings) -> None:
    settings.DEBUG_TOOLBAR_CONFIG = {"TOOLBAR_STORE_CLASS": STORE}
    assert [number for number, _ in found()] == ["observability.W103"]
