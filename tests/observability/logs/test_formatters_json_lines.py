"""JSON for log lines, and lines that are too long."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.logs.formatters import encode, truncate_line

LIMIT = 4_096


def truncated(fields: object) -> bytes:
    line = truncate_line(f"{encode(fields)}\n".encode(), LIMIT)
    assert len(line) <= LIMIT
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return line


def test_longest_value_is_truncated_and_its_key_is_listed() -> None:
    fields = json.loads(truncated({"timestamp": "now", "body": "x" * 10_000, "isbn": "X"}))
    assert fields["truncated"] == ["body"]
    assert (fields["timestamp"], fields["isbn"]) == ("now", "X")
    assert fields["body"].startswith("xxx")
    assert len(fields["body"]) > LIMIT // 2


def test_value_that_is_not_text_is_truncated_as_text() -> None:
    fields = json.loads(truncated({"rows": list(range(5_000))}))
    assert fields["truncated"] == ["rows"]
    assert fields["rows"].startswith("[0,1,2,")


def test_last_keys_are_removed_if_there_are_too_many() -> None:
    fields = json.loads(truncated({"timestamp": "now"} | {f"key_{number}": number for number in range(1_000)}))
    assert fields["timestamp"] == "now"
    assert fields["key_0"] == 0
    assert fields["truncated"][-1] == "…"


def test_at_most_eight_values_are_truncated() -> None:
    fields = json.loads(truncated({f"body_{number}": "x" * 1_000 for number in range(20)}))
    assert (len(fields["truncated"]), fields["truncated"][-1]) == (9, "…")


@pytest.mark.parametrize("pad", range(16))
def test_line_has_as_many_keys_as_fit(pad: int) -> None:
    line = truncated({"pad": "x" * pad} | {f"key_{number}": number for number in range(1_000)})
    # The next key needs 14 bytes: `"key_232":232,`.
    assert LIMIT - 14 < len(line) <= LIMIT


def test_line_that_is_not_json_is_cut() -> None:
    line = truncate_line(("é" * 5_000 + "\n").encode(), LIMIT)
    assert len(line) <= LIMIT
    assert line.decode().endswith("é…\n")


@pytest.mark.parametrize("text", ["\ud800" * 9_000, "\u0001" * 9_000, '"' * 9_000, "漢" * 9_000, "😀" * 9_000])
def test_escapes_and_wide_characters_count_in_bytes(text: str) -> None:
    fields = json.loads(truncated({"text": text, "isbn": "X"}))
    assert fields["truncated"] == ["text"]
    assert fields["isbn"] == "X"


@given(st.dictionaries(st.text(max_size=50), st.text(max_size=5_000) | st.lists(st.integers()), min_size=1))
def test_truncated_object_is_an_object(fields: dict[str, object]) -> None:
    assert isinstance(json.loads(truncated(fields | {"large": "x" * LIMIT})), dict)


def test_values_that_orjson_rejects_are_encoded() -> None:
    assert json.loads(encode({"text": "\ud800", "number": 2**100}).encode()) == {"text": "\ud800", "number": 2**100}
