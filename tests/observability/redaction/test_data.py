"""What redaction replaces, and what it does not change."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from observability.redaction import REDACTED, json_may_hold_secret, redact, redact_text
from tests.observability.limits import limited_cpu_time as limited_cpu_time


@pytest.mark.parametrize(
    "key", ["password", "PASSWORD", "new_password1", "api_key", "apiKey", "X-Api-Key", "Authorization", "Set-Cookie",
            "client_secret", "access_token", "csrfmiddlewaretoken", "sessionid"]
)  # fmt: skip
def test_value_of_a_secret_key_is_redacted_at_any_depth(key: str) -> None:
    assert redact({"outer": [{"inner": {key: {"value": "s3cret"}}}]}) == {"outer": [{"inner": {key: REDACTED}}]}


def test_other_values_are_unchanged() -> None:
    value = {"isbn": "978-0-00-000001-0", "count": 3, "ratio": 0.5, "is_new": True, "none": None, "list": [1, "two"]}
    assert redact(value) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def-123456", "Authorization: [redacted]"),
        ("Token 0123456789abcdef was refused", "Token [redacted] was refused"),
        ("postgres://user:pass@db.example.com/x", "postgres://[redacted]@db.example.com/x"),
        ("see https://example.com/a:b@c", "see https://example.com/a:b@c"),
        ("a token of our appreciation", "a token of our appreciation"),
        ("Token authentication is required", "Token authentication is required"),
        ("refused Basic dXNlcjpwYXNz", "refused Basic [redacted]"),
        ("bearer abcdefghijkl", "bearer [redacted]"),
        ("POSTGRES://user:p@ss/w@db/x", "POSTGRES://[redacted]@db/x"),
        ("redis://:pw@cache:6379/0", "redis://[redacted]@cache:6379/0"),
        ("https://u:p@ss@example.com/a", "https://[redacted]@example.com/a"),
        ("https://example.com/?email=a@b.c", "https://example.com/?email=a@b.c"),
        ("GET /x?api_key=pw&a=1", "GET /x?api_key=[redacted]&a=1"),
        ("Login(user='x', password='a \\' b')", "Login(user='x', password=[redacted])"),
        ("{'password': 's3cret', 'a': 1}", "{'password': [redacted], 'a': 1}"),
        ('{"api_key": 12345, "b": 2}', '{"api_key": [redacted], "b": 2}'),
        ("password = 'unfinished", "password = [redacted]"),
        ('WHERE "session_key" = %s AND token = $1', 'WHERE "session_key" = %s AND token = $1'),
        ("if token == other", "if token == other"),
        ("Cookie: sessionid=1; a=2\nHost: x", "Cookie: [redacted]\nHost: x"),
        ("<WSGIRequest: GET '/x?token=abc'>", "<WSGIRequest: GET '/x?token=[redacted]'>"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----.", "[redacted]."),
        ("{'password': b'hunter2'}", "{'password': [redacted]}"),
        ("Login(token=UUID('1b4e28ba'))", "Login(token=[redacted])"),
        ("{'tokens': ['abc', 'def'], 'a': 1}", "{'tokens': [redacted], 'a': 1}"),
        ('{"body": "{\\"password\\": \\"hunter2\\"}"}', '{"body": "{\\"password\\": [redacted]}"}'),
        ("-----BEGIN PRIVATE KEY----- MIIE -----END PRIVATE KEY-----", "[redacted]"),
        ("got eyJhbGciOi.eyJzdWIiOi.c2ln ok", "got [redacted] ok"),
    ],
)
def test_secrets_in_text_are_redacted(text: str, expected: str) -> None:
    assert redact_text(text) == expected


@pytest.mark.parametrize(
    "key",
    [
        "token_count",
        "csrf_exempt",
        "passwordChangedAt",
        "cookie_name",
        "auth_user",
        "author",
        "designation",
    ],
)
def test_value_of_a_key_that_only_describes_a_secret_is_unchanged(key: str) -> None:
    assert redact({key: 3}) == {key: 3}


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


words = st.sampled_from(
    ["bearer ", "Token\t", "basic ", "api_key=", "'secret': ", '"pwd":', "https://u:p@h/", "x://", "@", "Cookie: ", "=",
     "\n", "-----BEGIN PRIVATE KEY-----", "eyJabcde.abcdef.x", "authorization: ", "abcdefgh1", " ", "token"]
)  # fmt: skip


@given(st.lists(words | st.text(max_size=10)))
def test_may_hold_secret_is_true_for_the_json_of_each_redacted_text(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        encoded = orjson.dumps(text).decode()
    except TypeError:
        return
    assert redact_text(text) == text or json_may_hold_secret(encoded, 0)


@given(st.lists(words | st.text(max_size=10)))
def test_redacting_twice_changes_nothing_more(parts: list[str]) -> None:
    once = redact_text("".join(parts))
    assert redact_text(once) == once


@pytest.mark.usefixtures("limited_cpu_time")
@pytest.mark.parametrize(
    "unit", ["a", "a=", "'", "a.", "://", "x://a", "token ", "-----BEGIN PRIVATE KEY-----", "eyJaaaaa."]
)
def test_long_repetitive_text_is_redacted_in_bounded_time(unit: str) -> None:
    redact_text(unit * (60_000 // len(unit)))


def test_redacted_keys_setting_adds_secret_keys(settings: Settings) -> None:
    assert redact({"iccid": "898606"}) == {"iccid": "898606"}
    settings.OBSERVABILITY = {"REDACTED_KEYS": ["iccid"]}
    assert redact({"ICCID": "898606"}) == {"ICCID": REDACTED}


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


@pytest.mark.parametrize(
    "text",
    [
        'duplicate key value violates unique constraint "x"\nDETAIL:  Key (api_token)=(pl4nted) already exists.',
        'duplicate key value violates constraint "knox_token_pkey"\nDETAIL:  Key (key)=(pl4nted) already exists.',
        'Key (isbn, "password")=(A, a) b pl4nted) is not present in table "x".',
        'null value in column "x"\nDETAIL:  Failing row contains (1, it\'s (pl4nted)\n, null).',
        "Failing row contains (1, pl4nted, null).",
        "(1062, \"Duplicate entry 'it's-pl4nted' for key 'account.api_token'\")",
    ],
)
def test_secret_values_in_a_database_error_are_redacted(text: str) -> None:
    assert "pl4nted" not in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        'duplicate key value violates unique constraint "book_isbn"\nDETAIL:  Key (isbn)=(9780) already exists.',
        "(1062, \"Duplicate entry '9780' for key 'book.isbn'\")",
    ],
)
def test_harmless_values_in_a_database_error_are_unchanged(text: str) -> None:
    assert redact_text(text) == text


def test_huge_integer_becomes_a_text_with_its_size() -> None:
    assert redact({"large": 10**5_000, "usual": 10**30}) == {"large": "<int of 16610 bits>", "usual": 10**30}
