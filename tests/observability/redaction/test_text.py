"""Which texts `redact_text` changes: examples, the table of shapes, and the fast check before."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.redaction import json_may_hold_secret, may_hold_secret, redact_text
from tests.observability.limits import limited_cpu_time as limited_cpu_time
from tests.observability.redaction.shapes import HARMLESS, SECRETS, TOKENS, S


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


@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_of_each_kind_are_removed(kind: str) -> None:
    leaks = {text: redact_text(text) for text in SECRETS[kind] if S in redact_text(text)}
    assert leaks == {}


def test_tokens_without_a_key_are_removed() -> None:
    leaks = [token for token in TOKENS if redact_text(f"sent {token}, and failed") != "sent [redacted], and failed"]
    assert leaks == []


def test_harmless_texts_are_unchanged() -> None:
    changed = {text: redact_text(text) for text in HARMLESS if redact_text(text) != text}
    assert changed == {}


SHAPES = [*(text for texts in SECRETS.values() for text in texts), *TOKENS, *HARMLESS]
SURROUNDINGS = ["{}", "x {} y", "failed: {}", "{}\nnext line", '"{}"', "({})", "ä{}ü", "1,{},2", '{{"a": "b"}} {}']


def test_table_has_many_shapes() -> None:
    assert len(SHAPES) >= 300


def test_text_without_a_sign_of_a_secret_is_unchanged() -> None:
    unsound = [
        text
        for text in (around.format(shape) for shape in SHAPES for around in SURROUNDINGS)
        if not may_hold_secret(text) and redact_text(text) != text
    ]
    assert unsound == []


def test_json_without_a_sign_of_a_secret_has_none() -> None:
    unsound = [
        text
        for text in (around.format(shape) for shape in SHAPES for around in SURROUNDINGS)
        if not json_may_hold_secret(orjson.dumps({"a": text, "b": 1}).decode(), 2) and redact_text(text) != text
    ]
    assert unsound == []


@given(st.lists(st.sampled_from(SHAPES) | st.text(max_size=5), max_size=4), st.sampled_from([" ", "", "\n", ", "]))
def test_sign_of_a_secret_is_certain_in_combined_shapes(parts: list[str], separator: str) -> None:
    text = separator.join(parts)
    redacted = redact_text(text)
    assert redacted == text or may_hold_secret(text)
    try:
        encoded = orjson.dumps({"a": text}).decode()
    except TypeError:
        return
    assert redacted == text or json_may_hold_secret(encoded, 1)


def test_redacting_a_shape_twice_changes_nothing_more() -> None:
    once = [redact_text(around.format(shape)) for shape in SHAPES for around in SURROUNDINGS]
    assert [redact_text(text) for text in once] == once


def test_secret_shapes_are_removed_in_the_json_of_a_text() -> None:
    texts = [text for kind in SECRETS if kind != "traceback" for text in SECRETS[kind] if "\n" not in text]
    leaks = {text: redacted for text in texts if S in (redacted := redact_text(json.dumps({"body": text})))}
    assert leaks == {}


def test_traceback_after_an_open_quote_is_kept() -> None:
    text = "LINE 1: UPDATE t SET password = 'ab...\n             ^\n\nTraceback (most recent call last):\n  x = 'y'\n"
    assert redact_text(text) == text.replace("'ab...", "[redacted]")


REPETITIONS = [
    "password=", "password='", 'password="', "--password ", "password: ", "password => ", "password=(", "password=[",
    "password={'", '"password": ', "<password>", "<password></password ", "name='password' ", "value='x' ", "key:",
    'name="token", ', "Authorization: '", 'Authorization: "x" ', "Cookie: ", "%70", "%2570", "\\u0070", "\\", '\\"',
    "a-", "-", "--a", "x-", "password='\n", "PASSWORD '", "INTO t (password) VALUES (", "VALUES (1), ",
    "IDENTIFIED BY '",
    "PASSWORD FOR ", "ghp_", "eyJabcdef", "sk-", "gh", "----", "-----BEGIN PRIVATE KEY-----\nAAAA", "&quot;",
    "password&",
    "password,", "password=a,", "password=a&b", "password=a'b", "token = f(", "a.b.", "[[", "((", "{", "token='''",
    "-----END PRIVATE KEY-----", "root:x@", "-u a:", 'File "x", line 1\n    token = ', "token in (", "$$", "token $$",
    "Key (", 'constraint "', "Bearer ", "\n", " ", "passphrase=a b ", "key ", "name: ", "a=b;", "= ", "x:x",
]  # fmt: skip


@pytest.mark.usefixtures("limited_cpu_time")
def test_repetitive_texts_are_redacted_in_bounded_time() -> None:
    for unit in REPETITIONS:
        redact_text(unit * (60_000 // len(unit)))
