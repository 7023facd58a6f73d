"""Redaction: replace values that have a secret key, and text that looks like a known kind of secret.

Logs, Sentry and the profiler show data only after `redact()`.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import Enum
from functools import lru_cache
from itertools import islice
from math import isfinite
from typing import Any

from observability.conf import configuration
from observability.text import safe_str

REDACTED = "[redacted]"
# A key is secret if it contains one of KEYS anywhere, or if its last word is one of LAST_WORDS.
KEYS = (
    "accesskey", "apikey", "authorization", "cookie", "credential", "csrf", "passphrase", "passwd", "password",
    "privatekey", "secret", "sentrydsn", "sessionid", "sessionkey", "signature", "token",
)  # fmt: skip
LAST_WORDS = frozenset({"auth", "dsn", "jwt", "otp", "pwd"})
# `token_count` and `password_changed_at` describe a secret but are not one.
HARMLESS_LAST_WORDS = frozenset({
    "age", "at", "count", "enabled", "exempt", "expired", "expires", "expiry", "length", "limit", "name", "required",
    "size", "ttl", "type", "valid",
})  # fmt: skip

MAX_DEPTH = 8
MAX_ITEMS = 1_000
MAX_VALUES = 10_000
MAX_TEXT = 65_536
MAX_NAME = 64
TOO_DEEP = "[too deep]"
# Python refuses to convert an int of more than 4,300 digits.
LARGEST = 10**4_000

_punctuation = re.compile(r"[^a-z0-9]")
_words = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# Each pattern is bounded: the cost grows linearly with the length of the text.
_private_key = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:(?!-----)[\s\S]){0,16384}(?:-----END [A-Z ]{0,30}-----)?"
)
_header = re.compile(r"(?ia)\b((?:proxy-)?authorization|(?:set-)?cookie)(:[ \t]+)[^\r\n\"']{1,8192}")
_scheme = re.compile(r"(?ia)\b(bearer|basic|token)[ \t]+([A-Za-z0-9._~+/=-]{8,8192})")
_looks_random = re.compile(r"[0-9=+/_~]|[a-z][A-Z]")
_json_web_token = re.compile(r"\beyJ[A-Za-z0-9_-]{5,8192}\.[A-Za-z0-9_-]{5,8192}(?:\.[A-Za-z0-9_-]{0,8192})?")
# A password may contain @, and the password of a database also /. The path of a web address may contain both.
_web_address = re.compile(r"(?ia)(?<![a-z0-9+.-])((?:https?|wss?)://)[^\s/?#\"'<>]{0,2048}@")
_address = re.compile(r"(?ia)(?<![a-z0-9+.-])((?!https?:|wss?:)[a-z][a-z0-9+.-]{0,30}://)[^\s\"'<>]{0,2048}@")
_quoted = r"""(?:"(?:[^"\\]|\\.){0,8192}"|'(?:[^'\\]|\\.){0,8192}'|["'][^\r\n]{0,8192})"""
# The quotes of JSON inside JSON follow backslashes. b'…', UUID('…') and ['…'] are values too.
_pair = re.compile(
    rf"""(?a)(?<![\w.\[\]-])(?P<before>(?P<quote>\\{{0,3}}["']|)(?P<key>[A-Za-z_][\w.\[\]-]{{0,127}})(?P=quote)
    (?:\s{{0,8}}(?<![=!<>])=(?!=)\s{{0,8}}|(?<=["'])\s{{0,8}}:\s{{0,8}}))
    (?P<value>\\{{1,3}}"[^"\\]{{0,8192}}\\{{1,3}}"
    |\[[^\]]{{0,8192}}\]?
    |[A-Za-z_][\w.]{{0,40}}\({_quoted}\)?
    |[bru]{{0,2}}{_quoted}
    |[^\s&;,"'(){{}}\[\]<>=]+(?:={{1,2}}(?=[\s&;,"'(){{}}\[\]<>]|\Z))?)""",
    re.VERBOSE,
)
# The messages of PostgreSQL, MariaDB and MySQL about a row that they reject.
_constraint = re.compile(r"constraint \\{0,3}\"([^\"\\]{1,128})")
_rejected_key = re.compile(
    r"\bKey \((?P<columns>[^()=]{1,512})\)=\((?:(?!\) (?:already|is|conflicts)\b)[\s\S]){0,8192}\)?"
)
_rejected_row = re.compile(r"\bFailing row contains \([\s\S]{0,65536}")
_duplicate = re.compile(r"\bDuplicate entry '(?:(?!' for key)[\s\S]){0,8192}' for key '(?P<key>[^']{1,256})'")
# The pattern starts with a literal space, so that the search jumps from space to space.
_after_secret_word = re.compile(r"(?ia) (?:(?<=bearer )|(?<=token )|(?<=basic )|(?<=: )|(?<=-----begin ))")
_placeholder = re.compile(r"%s|%\(\w+\)s|\?|\$\d+|NULL", re.IGNORECASE)


def redact(value: Any, key: str = "") -> Any:  # noqa: ANN401 - any data
    """Return a copy of `value` without secrets, made of JSON types: mappings with text keys, lists, text, numbers.

    If a key is secret (`is_secret`), its whole value is replaced, unless the value is a boolean or None. In a pair (a
    list or tuple of two items), the second item is replaced if the first one is a secret key.

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
        if key and is_secret(key):
            return REDACTED
        self.left -= 1
        if type(value) is str:
            return redact_text(value)
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
        copy = {}
        for key, item in islice(value.items(), MAX_ITEMS):
            name = safe_str(key)
            copy[name] = self.redact(item, name, depth - 1)
        if len(value) > MAX_ITEMS:
            copy["…"] = f"{len(value) - MAX_ITEMS} more"
        return copy

    def _items(self, value: Any, depth: int) -> list[Any]:  # noqa: ANN401 - a list, tuple or set
        if len(value) == len(("key", "value")) and isinstance(value, list | tuple) and _is_secret_name(value[0]):
            # A header pair of WSGI or ASGI.
            return [self.redact(value[0], "", depth - 1), REDACTED]
        copy = [self.redact(item, "", depth - 1) for item in islice(value, MAX_ITEMS)]
        if len(value) > MAX_ITEMS:
            copy.append(f"… {len(value) - MAX_ITEMS} more")
        return copy


def _is_secret_name(value: object) -> bool:
    name = value.decode("latin-1") if isinstance(value, bytes) else value
    return isinstance(name, str) and len(name) <= MAX_NAME and is_secret(name)


def redact_text(text: str) -> str:
    """Return the text without the secrets that can be recognized.

    These are: bearer, basic and other HTTP tokens; authorization and cookie headers; JSON web tokens; private keys;
    credentials in URLs; the value in `key=value` and `"key": value` if the key is secret; the values of a row that a
    database rejected, if a column or the constraint has a secret name.
    """
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}…"
    if not may_hold_secret(text) and "\n" not in text and '"' not in text and "\t" not in text:
        return str(text)
    text = _private_key.sub(REDACTED, text)
    text = _header.sub(rf"\1\2{REDACTED}", text)
    text = _scheme.sub(_redact_token, text)
    text = _json_web_token.sub(REDACTED, text)
    text = _web_address.sub(rf"\1{REDACTED}@", text)
    text = _address.sub(rf"\1{REDACTED}@", text)
    return _redact_pairs(_redact_row(text))


def may_hold_secret(text: str) -> bool:
    """Return whether `redact_text` may change the text. This check is fast; only the answer False is certain.

    The text may be JSON: there, a line break, tab or double quote inside a string has a backslash.
    """
    return (
        "=" in text
        or "@" in text
        or "'" in text
        or "\\" in text
        or "eyJ" in text
        or "Failing row" in text
        or (" " in text and _after_secret_word.search(text) is not None)
    )


def _redact_token(match: re.Match[str]) -> str:
    # "Token authentication failed" contains no secret. So a plain word is not a token, except after "Bearer".
    if match[1].lower() != "bearer" and not _looks_random.search(match[2]):
        return match[0]
    return f"{match[1]} {REDACTED}"


def _redact_row(text: str) -> str:
    """Return a database error without the values of the row, if a column or constraint has a secret name."""
    if "Key (" in text:
        is_named_secret = any(is_secret(name) for name in _constraint.findall(text))
        text = _rejected_key.sub(lambda match: _redact_key(match, is_named_secret=is_named_secret), text)
    if "Failing row" in text:
        text = _rejected_row.sub(f"Failing row contains ({REDACTED})", text)
    if "Duplicate entry" in text:
        text = _duplicate.sub(_redact_entry, text)
    return text


def _redact_key(match: re.Match[str], *, is_named_secret: bool) -> str:
    columns = match["columns"]
    if not is_named_secret and not any(is_secret(column.strip(' "')) for column in columns.split(",")):
        return match[0]
    return f"Key ({columns})=({REDACTED})"


def _redact_entry(match: re.Match[str]) -> str:
    return f"Duplicate entry '{REDACTED}' for key '{match['key']}'" if is_secret(match["key"]) else match[0]


def _redact_pairs(text: str) -> str:
    parts: list[str] = []
    copied = position = 0
    while match := _pair.search(text, position):
        value = match["value"]
        has_no_secret = value.startswith(REDACTED[:9]) or _placeholder.fullmatch(value) is not None
        if is_secret(match["key"]) and not has_no_secret:
            parts += (text[copied : match.end("before")], REDACTED)
            copied = position = match.end()
        else:
            # The value of a harmless key may contain a secret, for example JSON inside JSON.
            position = match.end("before")
    return f"{''.join(parts)}{text[copied:]}" if parts else text


@lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Return whether the value of this key is secret. Case and punctuation of the key do not matter.

    It is secret if the key contains one of KEYS or of OBSERVABILITY["REDACTED_KEYS"], or if its last word is one of
    LAST_WORDS. It is not secret if the key has several words and the last one is in HARMLESS_LAST_WORDS, such as
    `token_count`; but REDACTED_KEYS win over this exception.
    """
    folded = _punctuation.sub("", key.lower())
    if any(part in folded for part in _redacted_keys()):
        return True
    words = [word.lower() for word in _words.findall(key)]
    if len(words) > 1 and words[-1] in HARMLESS_LAST_WORDS:
        return False
    return any(part in folded for part in KEYS) or (bool(words) and words[-1] in LAST_WORDS)


@lru_cache(maxsize=1)
def _redacted_keys() -> tuple[str, ...]:
    return tuple(_punctuation.sub("", part.lower()) for part in configuration().redacted_keys)


def reload_keys() -> None:
    """Read OBSERVABILITY["REDACTED_KEYS"] again, after the setting changed."""
    _redacted_keys.cache_clear()
    is_secret.cache_clear()
