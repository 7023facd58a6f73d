"""The system checks of the core."""

import re

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
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


def test_middleware_that_is_a_tuple_passes(settings: Settings) -> None:
    settings.MIDDLEWARE = tuple(settings.MIDDLEWARE)
    assert ids() == []


def test_middleware_that_is_not_the_first_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", *settings.MIDDLEWARE]
    assert ids() == ["observability.W001"]


def test_middleware_that_is_installed_twice_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], *settings.MIDDLEWARE]
    assert ids() == ["observability.W002"]


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("QUIET_PATHS", "/livez", "It must be a list of strings, such as ['/livez']."),
        ("QUIET_PATHS", [1], "It must be a list of strings."),
        ("REDACTED_KEYS", "pin", "It must be a list of strings, such as ['pin']."),
        ("TRUSTED_PROXY_COUNT", "1", "It must be a whole number from 0."),
        ("TRUSTED_PROXY_COUNT", -1, "It must be a whole number from 0."),
        ("TRUSTED_PROXY_COUNT", True, "It must be a whole number from 0."),
        ("SLOW_QUERY_MS", "100", "It must be a number from 0."),
        ("SERVER_TIMING", "all", "It must be one of 'everyone', 'staff', 'nobody'."),
        ("CODE_ROOT", None, "It must be a string."),
        ("RAISE_READER_ERRORS", "no", "It must be True or False."),
    ],
)
def test_value_of_the_wrong_type_is_an_error_that_says_what_is_allowed(
    settings: Settings, key: str, value: object, hint: str
) -> None:
    settings.OBSERVABILITY = {key: value}
    (message,) = run_checks(tags=["observability"])
    assert (message.id, message.msg, message.hint) == (
        "observability.E003",
        f"OBSERVABILITY[{key!r}] is {value!r}.",
        hint,
    )


@pytest.mark.parametrize("value", ["a.b", 3, None])
def test_readers_that_are_no_list_of_names_stop_the_start(settings: Settings, value: object) -> None:
    expected = re.escape(f"OBSERVABILITY['READERS'] is {value!r}. It must be a list of dotted names")
    with pytest.raises(ImproperlyConfigured, match=expected):
        settings.OBSERVABILITY = {"READERS": value}


@pytest.mark.parametrize("entry", ["https://api.example.com", "api.example.com/v1", "*.example.com", "", "a.b:", "a b"])
def test_entry_of_propagate_to_that_is_no_host_is_an_error(settings: Settings, entry: str) -> None:
    settings.OBSERVABILITY = {"PROPAGATE_TO": ["api.example.com", entry]}
    (message,) = run_checks(tags=["observability"])
    expected = f"OBSERVABILITY['PROPAGATE_TO'] contains {entry!r}, which is not a host."
    assert (message.id, message.msg) == ("observability.E004", expected)


def test_propagate_to_that_is_no_list_is_one_error(settings: Settings) -> None:
    settings.OBSERVABILITY = {"PROPAGATE_TO": "*"}
    assert ids() == ["observability.E003"]


def test_values_of_every_allowed_type_pass(settings: Settings) -> None:
    settings.OBSERVABILITY = {"QUIET_PATHS": ("/a",), "SLOW_QUERY_MS": 0, "SERVER_TIMING": "nobody"}
    assert ids() == []
