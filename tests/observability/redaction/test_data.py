"""Which data `redact` replaces, and which data it does not change."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.redaction import REDACTED, redact
from tests.observability.limits import limited_cpu_time as limited_cpu_time
from tests.observability.redaction.shapes import HEADERS, OPTIONS, VALUES, S


@pytest.mark.parametrize(
    "key", ["password", "PASSWORD", "new_password1", "api_key", "apiKey", "X-Api-Key", "Authorization", "Set-Cookie",
            "client_secret", "access_token", "csrfmiddlewaretoken", "sessionid"]
)  # fmt: skip
def test_value_of_a_secret_key_is_redacted_at_any_depth(key: str) -> None:
    assert redact({"outer": [{"inner": {key: {"value": "s3cret"}}}]}) == {"outer": [{"inner": {key: REDACTED}}]}


def test_other_values_are_unchanged() -> None:
    value = {"isbn": "978-0-00-000001-0", "count": 3, "ratio": 0.5, "is_new": True, "none": None, "list": [1, "two"]}
    assert redact(value) == value


@pytest.mark.parametrize("value", [None, True, False])
def test_booleans_and_none_of_a_secret_key_are_unchanged(value: object) -> None:
    assert redact({"password": value, "has_token": value}) == {"password": value, "has_token": value}


@pytest.mark.parametrize("pair", [("X-Api-Key", "s3cret"), [b"cookie", b"s3cret"]])
def test_second_item_of_a_pair_is_redacted_if_the_first_is_a_secret_key(pair: object) -> None:
    assert "s3cret" not in str(redact({"headers": [pair, ("accept", "*/*")]}))
    assert "*/*" in str(redact({"headers": [pair, ("accept", "*/*")]}))


@pytest.mark.usefixtures("limited_cpu_time")
def test_data_with_many_references_to_itself_is_bounded() -> None:
    parts: list[dict[str, object]] = [{} for _ in range(60)]
    for part in parts:
        part.update({str(number): other for number, other in enumerate(parts)})
    assert len(str(redact(parts))) < 1_000_000


def test_long_lists_mappings_and_texts_are_cut() -> None:
    shown = redact({"list": [0] * 1_500, "map": {str(n): n for n in range(1_500)}, "text": "x" * 100_000})
    assert (len(shown["list"]), shown["list"][-1]) == (1_001, "… 500 more")
    assert (len(shown["map"]), shown["map"]["…"]) == (1_001, "500 more")
    assert len(shown["text"]) == 65_537


def test_data_that_contains_itself_is_cut() -> None:
    value: dict[str, object] = {}
    value["self"] = value
    assert "[too deep]" in str(redact(value))


def test_nan_and_infinity_become_none() -> None:
    assert redact([math.nan, math.inf, 1.5]) == [None, None, 1.5]


leaves = st.none() | st.text() | st.floats() | st.binary()


@given(
    st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner), max_leaves=20
    )
)
def test_redact_never_raises(value: object) -> None:
    redact(value)


def test_huge_integer_becomes_a_text_with_its_size() -> None:
    assert redact({"large": 10**5_000, "usual": 10**30}) == {"large": "<int of 16610 bits>", "usual": 10**30}


@pytest.mark.parametrize("text", [*OPTIONS[:6], *HEADERS[:4], *VALUES[:6], '{"password": "' + S + '"}'])
def test_keys_of_mappings_are_redacted_as_text(text: str) -> None:
    assert S not in json.dumps(redact({text: "", "outer": [{text: 1}]}))


def test_keys_that_become_the_same_are_numbered() -> None:
    shown = redact({"x://u:a@h": 1, "x://u:b@h": 2, "x://u:c@h": 3, 1: "a", "1": "b"})
    assert shown == {
        "x://[redacted]@h": 1, "x://[redacted]@h (2)": 2, "x://[redacted]@h (3)": 3, "1": "a", "1 (2)": "b",
    }  # fmt: skip


def test_many_keys_that_become_the_same_get_numbers_that_are_not_used() -> None:
    shown = redact({"x://[redacted]@h (3)": 0} | {f"x://u:{number}@h": number for number in range(1, 900)})
    assert list(shown.values()) == list(range(900))
    assert list(shown)[:4] == [
        "x://[redacted]@h (3)", "x://[redacted]@h", "x://[redacted]@h (2)", "x://[redacted]@h (4)",
    ]  # fmt: skip
    assert list(shown)[-1] == "x://[redacted]@h (900)"


def test_other_notations_of_a_key_and_its_value_are_redacted_in_data() -> None:
    shown = redact(
        {
            "argv": ["mysqldump", "--password", S, "--host", "db", "--token", "--verbose"],
            "fields": [{"name": "password", "value": S}, {"name": "isbn", "value": 3}, {b"password": S}],
            "environment": {"PWD": "/srv", "PGPASSWORD": S},
        }
    )
    assert shown == {
        "argv": ["mysqldump", "--password", "[redacted]", "--host", "db", "--token", "--verbose"],
        "fields": [
            {"name": "password", "value": "[redacted]"}, {"name": "isbn", "value": 3}, {"password": "[redacted]"},
        ],
        "environment": {"PWD": "/srv", "PGPASSWORD": "[redacted]"},
    }  # fmt: skip
