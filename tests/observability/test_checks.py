"""The system checks of the core."""

from django.core.checks import run_checks
from pytest_django import Settings


def ids() -> list[str]:
    return [str(message.id) for message in run_checks(tags=["observability"])]


def test_settings_of_the_repository_pass() -> None:
    assert ids() == []


def test_unknown_key_is_an_error(settings: Settings) -> None:
    settings.OBSERVABILITY = {"REEDERS": []}
    assert ids() == ["observability.E001"]


def test_class_that_is_no_reader_is_an_error(settings: Settings) -> None:
    settings.OBSERVABILITY = {"READERS": ["collections.OrderedDict"]}
    assert ids() == ["observability.E002"]


def test_middleware_that_is_not_the_first_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", *settings.MIDDLEWARE]
    assert ids() == ["observability.W001"]
