"""The walk through data: each value with a secret key is replaced, and each text is redacted.

Which keys are secret: `keys`. How secrets are found in text: `text`.
"""

from collections.abc import Mapping
from datetime import date, datetime, time
from enum import Enum
from functools import lru_cache
from itertools import islice
from math import isfinite
from typing import Any

from observability.redaction.keys import is_directory, is_secret
from observability.redaction.text import MAX_TEXT, redact_text
from observability.redaction.text import reload_keys as reload_text_keys
from observability.redaction.values import REDACTED
from observability.text import safe_str

MAX_DEPTH = 8
MAX_ITEMS = 1_000
MAX_VALUES = 10_000
MAX_NAME = 64
# A word with fewer letters and digits is not a token.
MAX_WORD = 16
# In a mapping with one of these keys and the key `value`, the first one has the name of the second one.
NAME_KEYS = frozenset({"field", "header", "key", "name", "option", "param", "parameter", "variable"})
TOO_DEEP = "[too deep]"
# Python refuses to convert an int of more than 4,300 digits.
LARGEST = 10**4_000


def reload_keys() -> None:
    """Read OBSERVABILITY["REDACTED_KEYS"] again, after the setting changed."""
    reload_text_keys()
    _inspect_key.cache_clear()


def redact(value: Any, key: str = "") -> Any:  # noqa: ANN401 - any data
    """Return a copy of `value` without secrets, made of JSON types: mappings with text keys, lists, text, numbers.

    If a key is secret (`is_secret`), its whole value is replaced, unless the value is a boolean or None. A key is data
    too: it is redacted as text, and a key that then occurs twice gets a number. Other notations of a key and its value
    are replaced too: a pair (a list or tuple of two items), an option of a command line and the item after it, and a
    mapping with a name and a value.

    Bounded: eight levels (this also ends data that contains itself), the first 1,000 items of a list or mapping, the
    first 65,536 characters of a text, about 10,000 values in total. Values of types that JSON does not have become
    text: times (ISO 8601), bytes (UTF-8), other objects, integers of more than 4,000 digits. NaN and infinity become
    None: a key must not be a number in one log line and a text in the next.
    """
    return _Redaction().redact(value, key, MAX_DEPTH)


class _Redaction:
    """One walk through data. It ends after `MAX_VALUES` values, even if values contain each other."""

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def redact(self, value: Any, key: str, depth: int) -> Any:  # noqa: ANN401, PLR0911 - one for each kind of value
        if value is None or value is True or value is False:
            return value
        if key and is_secret(key) and not is_directory(key, value):
            return REDACTED
        self.left -= 1
        if type(value) is str:
            return value if len(value) < MAX_WORD and value.isalnum() else redact_text(value)
        if type(value) is int:
            return value if -LARGEST < value < LARGEST else f"<int of {value.bit_length()} bits>"
        if type(value) is float:
            return value if isfinite(value) else None
        try:
            return self._object(value, depth)
        except Exception:  # noqa: BLE001 - data must never break what it describes
            return f"<unprintable {type(value).__qualname__}>"

    def _object(self, value: Any, depth: int) -> Any:  # noqa: ANN401, PLR0911
        if isinstance(value, Mapping):
            return self._mapping(value, depth) if depth and self.left > 0 else TOO_DEEP
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(value, depth) if depth and self.left > 0 else TOO_DEEP
        if isinstance(value, Enum):
            return self.redact(value.value, "", depth - 1) if depth else TOO_DEEP
        if isinstance(value, bytes | bytearray | memoryview):
            return redact_text(bytes(value[:MAX_TEXT]).decode("utf-8", "backslashreplace"))
        if isinstance(value, datetime | date | time):
            return value.isoformat()
        if isinstance(value, int):
            return self.redact(int(value), "", depth)
        if isinstance(value, float):
            return self.redact(float(value), "", depth)
        return redact_text(repr(value) if isinstance(value, BaseException) else str(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        numbers: dict[str, int] = {}
        value_key = _key_of_secret_value(value)
        for key, item in islice(value.items(), MAX_ITEMS):
            name = key if type(key) is str else _key_text(key)
            shown, secret = _inspect_key(name) if len(name) <= MAX_NAME else (redact_text(name), is_secret(name))
            if shown in copy:
                shown = _unused_name(shown, copy, numbers)
            copy[shown] = REDACTED if key == value_key else self.redact(item, name if secret else "", depth - 1)
        if len(value) > MAX_ITEMS:
            copy["…"] = f"{len(value) - MAX_ITEMS} more"
        return copy

    def _items(self, value: Any, depth: int) -> list[Any]:  # noqa: ANN401 - a list, tuple or set
        if len(value) == len(("key", "value")) and isinstance(value, list | tuple) and _is_secret_name(value[0]):
            # A header pair of WSGI or ASGI.
            return [self.redact(value[0], "", depth - 1), REDACTED]
        copy: list[Any] = []
        is_after_option = False
        for item in islice(value, MAX_ITEMS):
            is_option = type(item) is str and item.startswith("-")
            is_value = is_after_option and not is_option and type(item) in (str, bytes)
            copy.append(REDACTED if is_value else self.redact(item, "", depth - 1))
            is_after_option = is_option and _is_secret_name(item)
        if len(value) > MAX_ITEMS:
            copy.append(f"… {len(value) - MAX_ITEMS} more")
        return copy


def _key_of_secret_value(value: Mapping[Any, Any]) -> str | None:
    """Return the key of the value in a mapping such as `{"name": "password", "value": …}`; None in other mappings."""
    if "value" in value:
        for name in NAME_KEYS:
            if name in value and _is_secret_name(value[name]):
                return "value"
    return None


def _unused_name(name: str, copy: Mapping[str, object], numbers: dict[str, int]) -> str:
    """Return the name with a number: another key has become the same name.

    `numbers` has the next number of each name, so that a thousand equal names need about a thousand steps.
    """
    number = numbers.get(name, 2)
    while f"{name} ({number})" in copy:
        number += 1
    numbers[name] = number + 1
    return f"{name} ({number})"


def _key_text(key: object) -> str:
    return key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else safe_str(key)


@lru_cache(maxsize=4096)
def _inspect_key(name: str) -> tuple[str, bool]:
    """Return how a key is shown, and whether its value is secret."""
    return redact_text(name), is_secret(name)


def _is_secret_name(value: object) -> bool:
    name = value.decode("latin-1") if isinstance(value, bytes) else value
    return isinstance(name, str) and len(name) <= MAX_NAME and is_secret(name)
