"""JSON for log lines: any data that `redact()` leaves becomes one line of it, and a long line is made shorter."""

import json
from typing import Any

import orjson

TRUNCATED = "truncated"
# The most values of a line that are cut, what stays of each, and what their names may take.
MAX_CUT = 8
KEPT = 200
KEPT_OF_KEY = 64
MAX_MARK = (MAX_CUT + 1) * (KEPT_OF_KEY * 4 + 3) + 64


def encode(value: Any) -> str:  # noqa: ANN401 - any data that JSON has
    """The JSON of a value, on one line.

    A lone surrogate and an integer of more than 64 bits, which orjson refuses, are written by the standard library: the
    first as an escape, so that the line can be encoded as UTF-8.
    """
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps(value, separators=(",", ":"), default=str)


def shorten(line: bytes, max_bytes: int) -> bytes:
    """A line of at most `max_bytes` from a longer one, both with their end of line.

    A JSON object stays one: its longest values are cut, those that are no text as text, and its key `truncated` names
    them; where that is not enough, its last keys go. Other text is cut.
    """
    try:
        fields = orjson.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return line[: max_bytes - 5].decode("utf-8", "ignore").encode() + "…\n".encode()
    return (_shortened(fields, max_bytes) + "\n").encode()


def _shortened(fields: dict[str, Any], max_bytes: int) -> str:
    fields.pop(TRUNCATED, None)
    sizes = {key: _size(key) + _size(value) + len(":,") for key, value in fields.items()}
    truncated: list[str] = []
    excess = sum(sizes.values()) + MAX_MARK - max_bytes
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True)[:MAX_CUT]:
        if excess <= 0:
            break
        truncated.append(key)
        fields[key] = _cut(fields[key], sizes[key] - excess)
        excess += _size(key) + _size(fields[key]) + len(":,") - sizes[key]
    kept: dict[str, Any] = {}
    room = max_bytes - MAX_MARK
    for key, value in fields.items():
        room -= _size(key) + _size(value) + len(":,")
        if room < 0:
            truncated.append("…")
            break
        kept[key] = value
    return encode(kept | {TRUNCATED: [key[:KEPT_OF_KEY] for key in truncated]})


def _size(value: Any) -> int:  # noqa: ANN401 - any data that JSON has
    return len(encode(value).encode())


def _cut(value: Any, max_bytes: int) -> str:  # noqa: ANN401
    """The beginning of a value's text whose JSON has at most `max_bytes`, but 200 characters at least."""
    text = value if isinstance(value, str) else encode(value)
    kept = max(KEPT, min(len(text), max_bytes - 8))
    while kept > KEPT and _size(text[:kept]) > max_bytes - 8:
        kept = max(KEPT, kept * 7 // 8)
    return f"{text[:kept]}…"
