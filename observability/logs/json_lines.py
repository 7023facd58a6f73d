"""JSON lines: encode a record as one line, and truncate a line that is too long."""

import json
import re

import orjson

from observability.text import ELLIPSIS

_surrogate = re.compile("[\ud800-\udfff]")

TRUNCATED = "truncated"
MAX_TRUNCATED_VALUES = 8
# No value becomes shorter than this, in characters.
MIN_VALUE_LENGTH = 200


def encode(value: object) -> str:
    """Return the JSON of a value, on one line.

    orjson refuses lone surrogates and integers of more than 64 bits; the standard library writes these. A surrogate is
    escaped, so that the line can be encoded as UTF-8.
    """
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
        return _surrogate.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def truncate_line(line: bytes, max_bytes: int) -> bytes:
    """Return a line that is too long with at most `max_bytes`, its line end included.

    A JSON object stays a JSON object: its longest values are truncated (values other than strings become strings), and
    the key `truncated` names them. If that is not enough, the last keys are removed. Other text is cut.
    """
    try:
        # Unlike orjson, it reads a lone surrogate.
        fields = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return line[: max_bytes - 5].decode("utf-8", "ignore").encode() + f"{ELLIPSIS}\n".encode()
    return (_truncate_object(fields, max_bytes - len("\n")) + "\n").encode()


def _truncate_object(fields: dict[str, object], max_bytes: int) -> str:
    fields.pop(TRUNCATED, None)
    sizes = {key: _size(key) + _size(value) + len(":,") for key, value in fields.items()}
    truncated: list[str] = []
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True)[:MAX_TRUNCATED_VALUES]:
        excess = sum(sizes.values()) + _size({TRUNCATED: [*truncated, key, ELLIPSIS]}) - max_bytes
        if excess <= 0 or sizes[key] <= 2 * MIN_VALUE_LENGTH:
            break
        truncated.append(key[:MIN_VALUE_LENGTH])
        size_of_key = _size(key) + len(":,")
        fields[key] = _truncate_value(fields[key], sizes[key] - size_of_key - excess)
        sizes[key] = size_of_key + _size(fields[key])
    remaining = max_bytes - _size({TRUNCATED: [*truncated, ELLIPSIS]})
    fields_that_fit: dict[str, object] = {}
    for key, value in fields.items():
        remaining -= sizes[key]
        if remaining < 0:
            truncated.append(ELLIPSIS)
            break
        fields_that_fit[key] = value
    return encode(fields_that_fit | {TRUNCATED: truncated})


def _size(value: object) -> int:
    return len(encode(value).encode())


def _truncate_value(value: object, max_bytes: int) -> str:
    """Return the beginning of a value's text: its JSON has at most `max_bytes`, but at least 200 characters stay."""
    text = value if isinstance(value, str) else encode(value)
    length = max(MIN_VALUE_LENGTH, min(len(text), max_bytes - 8))
    while length > MIN_VALUE_LENGTH and _size(text[:length]) > max_bytes - 8:
        length = max(MIN_VALUE_LENGTH, length * 7 // 8)
    return f"{text[:length]}{ELLIPSIS}"
