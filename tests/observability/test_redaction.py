"""What redaction hides, and what it leaves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from observability.redaction import REDACTED, redact, redact_text


@pytest.mark.parametrize(
    "key", ["password", "PASSWORD", "new_password1", "api_key", "apiKey", "X-Api-Key", "Authorization", "Set-Cookie",
            "client_secret", "access_token", "csrfmiddlewaretoken", "sessionid"]
)  # fmt: skip
def test_value_under_a_telling_key_is_hidden_at_any_depth(key: str) -> None:
    assert redact({"outer": [{"inner": {key: {"value": "s3cret"}}}]}) == {"outer": [{"inner": {key: REDACTED}}]}


def test_other_values_stay() -> None:
    value = {"vin": "LMPG2KAB3JA431054", "count": 3, "ratio": 0.5, "is_new": True, "none": None, "list": [1, "two"]}
    assert redact(value) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def-123456", "Authorization: [redacted]"),
        ("Token 0123456789abcdef was refused", "Token [redacted] was refused"),
        ("postgres://user:pass@db.example.com/x", "postgres://[redacted]@db.example.com/x"),
        ("see https://example.com/a:b@c", "see https://example.com/a:b@c"),
        ("a token of our appreciation", "a token of our appreciation"),
    ],
)
def test_known_shapes_in_text_are_hidden(text: str, expected: str) -> None:
    assert redact_text(text) == expected


def test_key_of_the_setting_is_hidden(settings: Settings) -> None:
    assert redact({"iccid": "898606"}) == {"iccid": "898606"}
    settings.OBSERVABILITY = {"REDACTED_KEYS": ["iccid"]}
    assert redact({"ICCID": "898606"}) == {"ICCID": REDACTED}


def test_data_that_refers_to_itself_ends() -> None:
    value: dict[str, object] = {}
    value["self"] = value
    assert "[too deep]" in str(redact(value))


def test_numbers_that_json_does_not_have_become_none() -> None:
    assert redact([math.nan, math.inf, 1.5]) == [None, None, 1.5]


leaves = st.none() | st.text() | st.floats() | st.binary()


@given(st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner)))
def test_no_data_raises(value: object) -> None:
    redact(value)
