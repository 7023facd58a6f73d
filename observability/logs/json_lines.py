"""JSON for log lines: any data that `redact()` leaves becomes one line of it, and a long line is made shorter."""

import json
import re
from typing import Any

import orjson

_surrogate = re.compile("[\ud800-\udfff]")

TRUNCATED = "truncated"
MORE = "…"
# The most values of a line that are cut, and what stays of each in characters.
MAX_CUT = 8
KEPT = 200


def encode(value: Any) -> str:  # noqa: ANN401 - any data that JSON has
    """The JSON of a value, on one line.

    A lone surrogate and an integer of more than 64 bits, which orjson refuses, are written by the standard library: the
    first as an escape, so that the line can be encoded as UTF-8.
    """
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
        return _surrogate.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def shorten(line: bytes, max_bytes: int) -> bytes:
    """A line of at most `max_bytes` from a longer one, both with their end of line.

    A JSON object stays one: its longest values are cut, those that are no text as text, and its key `truncated` names
    them; where that is not enough, its last keys go. Other text is cut.
    """
    try:
        # Unlike orjson, it reads a lone surrogate too.
        fields = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return line[: max_bytes - 5].decode("utf-8", "ignore").encode() + "…\n".encode()
    return (_shortened(fields, max_bytes - len("\n")) + "\n").encode()


def _shortened(fields: dict[str, Any], max_bytes: int) -> str:
    fields.pop(TRUNCATED, None)
    sizes = {key: _size(key) + _size(value) + len(":,") for key, value in fields.items()}
    truncated: list[str] = []
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True)[:MAX_CUT]:
        excess = sum(sizes.values()) + _size({TRUNCATED: [*truncated, key, MORE]}) - max_bytes
        if excess <= 0 or sizes[key] <= 2 * KEPT:
            break
        truncated.append(key[:KEPT])
        size_of_key = _size(key) + len(":,")
        fields[key] = _cut(fields[key], sizes[key] - size_of_key - excess)
        sizes[key] = size_of_key + _size(fields[key])
    room = max_bytes - _size({TRUNCATED: [*truncated, MORE]})
    kept: dict[str, Any] = {}
    for key, value in fields.items():
        room -= sizes[key]
        if room < 0:
            truncated.append(MORE)
            break
        kept[key] = value
    return encode(kept | {TRUNCATED: truncated})


def _size(value: Any) -> int:  # noqa: ANN401 - any data that JSON has
    return len(encode(value).encode())


def _cut(value: Any, max_bytes: int) -> str:  # noqa: ANN401
    """The beginning of a value's text whose JSON has at most `max_bytes`, but 200 characters at least."""
    text = value if isinstance(value, str) else encode(value)
    kept = max(KEPT, min(len(text), max_bytes - 8))
    while kept > KEPT and _size(text[:kept]) > max_bytes - 8:
        kept = max(KEPT, kept * 7 // 8)
    return f"{text[:kept]}{MORE}"
