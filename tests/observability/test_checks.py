"""The system checks of OBSERVABILITY and MIDDLEWARE."""

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


def test_class_without_a_reader_method_is_an_error(settings: Settings) -> None:
    settings.OBSERVABILITY = {"READERS": ["collections.OrderedDict"]}
    assert ids() == ["observability.E002"]


def test_middleware_may_be_a_tuple(settings: Settings) -> None:
    settings.MIDDLEWARE = tuple(settings.MIDDLEWARE)
    assert ids() == []


def test_missing_or_late_middleware_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", *settings.MIDDLEWARE]
    assert ids() == ["observability.W001"]
    settings.MIDDLEWARE = []
    assert ids() == ["observability.W001"]


def test_repeated_middleware_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], *settings.MIDDLEWARE]
    assert ids() == ["observability.W002"]


@pytest.mark.parametrize(
    ("key", "value", "allowed", "suggestion"),
    [
        ("QUIET_PATHS", "/livez", "a list of strings", "['/livez']"),
        ("QUIET_PATHS", [1], "a list of strings", "[]"),
        ("REDACTED_KEYS", "pin", "a list of strings", "['pin']"),
        ("TRUSTED_PROXY_COUNT", "1", "a whole number, 0 or more", "0"),
        ("TRUSTED_PROXY_COUNT", -1, "a whole number, 0 or more", "0"),
        ("TRUSTED_PROXY_COUNT", True, "a whole number, 0 or more", "0"),
        ("SLOW_QUERY_MS", "100", "a number, 0 or more", "100.0"),
        ("SERVER_TIMING", "all", "one of 'everyone', 'staff', 'nobody'", "'staff'"),
        ("CODE_ROOT", None, "a string", "''"),
        ("RAISE_READER_ERRORS", "no", "True or False", "False"),
    ],
)
def test_value_of_the_wrong_type_is_an_error(
    settings: Settings, key: str, value: object, allowed: str, suggestion: str
) -> None:
    settings.OBSERVABILITY = {key: value}
    (message,) = run_checks(tags=["observability"])
    assert message.id == "observability.E003"
    assert message.msg == f"OBSERVABILITY[{key!r}] is {value!r}. Allowed: {allowed}."
    assert message.hint is not None
    assert suggestion in message.hint


@pytest.mark.parametrize("value", ["a.b", 3, None])
def test_readers_must_be_a_list_of_names(settings: Settings, value: object) -> None:
    expected = re.escape(f"OBSERVABILITY['READERS'] is {value!r}. Allowed: a list of dotted names")
    with pytest.raises(ImproperlyConfigured, match=expected):
        settings.OBSERVABILITY = {"READERS": value}


@pytest.mark.parametrize("entry", ["https://api.example.com", "api.example.com/v1", "*.example.com", "", "a.b:", "a b"])
def test_invalid_host_in_propagate_to_is_an_error(settings: Settings, entry: str) -> None:
    settings.OBSERVABILITY = {"PROPAGATE_TO": ["api.example.com", entry]}
    (message,) = run_checks(tags=["observability"])
    assert message.id == "observability.E004"
    assert repr(entry) in message.msg


def test_propagate_to_of_the_wrong_type_is_one_error(settings: Settings) -> None:
    settings.OBSERVABILITY = {"PROPAGATE_TO": "*"}
    assert ids() == ["observability.E003"]


def test_values_of_every_allowed_type_pass(settings: Settings) -> None:
    settings.OBSERVABILITY = {"QUIET_PATHS": ("/a",), "SLOW_QUERY_MS": 0, "SERVER_TIMING": "nobody"}
    assert ids() == []
