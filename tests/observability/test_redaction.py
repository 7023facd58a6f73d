"""What redaction hides, and what it leaves."""

import math
import signal
from collections.abc import Iterator
from types import FrameType

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from observability.redaction import REDACTED, may_hold_secret, redact, redact_text


@pytest.fixture
def limited_cpu_time() -> Iterator[None]:
    """Fail the test if this process computes for 20 s, however busy the machine is."""

    def end(_: int, __: FrameType | None) -> None:
        pytest.fail("it does not end")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, 20)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    "key", ["password", "PASSWORD", "new_password1", "api_key", "apiKey", "X-Api-Key", "Authorization", "Set-Cookie",
            "client_secret", "access_token", "csrfmiddlewaretoken", "sessionid"]
)  # fmt: skip
def test_value_under_a_telling_key_is_hidden_at_any_depth(key: str) -> None:
    assert redact({"outer": [{"inner": {key: {"value": "s3cret"}}}]}) == {"outer": [{"inner": {key: REDACTED}}]}


def test_other_values_stay() -> None:
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
def test_known_shapes_in_text_are_hidden(text: str, expected: str) -> None:
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
def test_value_under_a_key_that_only_speaks_of_a_secret_stays(key: str) -> None:
    assert redact({key: 3}) == {key: 3}


@pytest.mark.parametrize("value", [None, True, False])
def test_whether_there_is_a_secret_is_none(value: object) -> None:
    assert redact({"password": value, "has_token": value}) == {"password": value, "has_token": value}


@pytest.mark.parametrize("pair", [("X-Api-Key", "s3cret"), [b"cookie", b"s3cret"]])
def test_second_of_a_pair_is_hidden_where_the_first_tells(pair: object) -> None:
    assert "s3cret" not in str(redact({"headers": [pair, ("accept", "*/*")]}))
    assert "*/*" in str(redact({"headers": [pair, ("accept", "*/*")]}))


@pytest.mark.usefixtures("limited_cpu_time")
def test_data_whose_parts_list_each_other_ends() -> None:
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
def test_quick_look_at_the_json_of_a_text_misses_no_secret(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        encoded = orjson.dumps(text).decode()
    except TypeError:
        return
    assert redact_text(text) == text or may_hold_secret(encoded)


@given(st.lists(words | st.text(max_size=10)))
def test_what_was_redacted_stays_as_it_is(parts: list[str]) -> None:
    once = redact_text("".join(parts))
    assert redact_text(once) == once


@pytest.mark.usefixtures("limited_cpu_time")
@pytest.mark.parametrize(
    "unit", ["a", "a=", "'", "a.", "://", "x://a", "token ", "-----BEGIN PRIVATE KEY-----", "eyJaaaaa."]
)
def test_search_in_a_long_text_of_one_pattern_ends(unit: str) -> None:
    redact_text(unit * (60_000 // len(unit)))


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


@given(
    st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner), max_leaves=20
    )
)
def test_no_data_raises(value: object) -> None:
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
def test_row_that_a_database_refused_is_not_shown_where_it_may_hold_a_secret(text: str) -> None:
    assert "pl4nted" not in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        'duplicate key value violates unique constraint "book_isbn"\nDETAIL:  Key (isbn)=(9780) already exists.',
        "(1062, \"Duplicate entry '9780' for key 'book.isbn'\")",
    ],
)
def test_row_that_a_database_refused_is_shown_where_it_holds_none(text: str) -> None:
    assert redact_text(text) == text


def test_number_that_json_cannot_write_says_so() -> None:
    assert redact({"large": 10**5_000, "usual": 10**30}) == {"large": "<int of 16610 bits>", "usual": 10**30}
