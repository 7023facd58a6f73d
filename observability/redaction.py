"""What must not be shown: values under telling keys, and known shapes of secrets in text.

Logs, Sentry and the browser show data only after `redact()`.
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

REDACTED = "[redacted]"
# What a key holds wherever it stands in it, and what its last word is.
KEYS = (
    "accesskey", "apikey", "authorization", "cookie", "credential", "csrf", "passphrase", "passwd", "password",
    "privatekey", "secret", "sentrydsn", "sessionid", "sessionkey", "signature", "token",
)  # fmt: skip
LAST_WORDS = frozenset({"auth", "dsn", "jwt", "otp", "pwd"})
# `token_count` and `password_changed_at` say something about a secret, and are none.
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
# Python refuses to write an int of more than 4,300 digits.
LARGEST = 10**4_000

_punctuation = re.compile(r"[^a-z0-9]")
_words = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# Each ends after a bounded number of characters, so that no text costs more than its length.
_private_key = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:(?!-----)[\s\S]){0,16384}(?:-----END [A-Z ]{0,30}-----)?"
)
_header = re.compile(r"(?ia)\b((?:proxy-)?authorization|(?:set-)?cookie)(:[ \t]+)[^\r\n\"']{1,8192}")
_scheme = re.compile(r"(?ia)\b(bearer|basic|token)[ \t]+([A-Za-z0-9._~+/=-]{8,8192})")
_looks_random = re.compile(r"[0-9=+/_~]|[a-z][A-Z]")
_json_web_token = re.compile(r"\beyJ[A-Za-z0-9_-]{5,8192}\.[A-Za-z0-9_-]{5,8192}(?:\.[A-Za-z0-9_-]{0,8192})?")
# A password may hold @, and that of a database / too; the path of a web address may hold both.
_web_address = re.compile(r"(?ia)(?<![a-z0-9+.-])((?:https?|wss?)://)[^\s/?#\"'<>]{0,2048}@")
_address = re.compile(r"(?ia)(?<![a-z0-9+.-])((?!https?:|wss?:)[a-z][a-z0-9+.-]{0,30}://)[^\s\"'<>]{0,2048}@")
_quoted = r"""(?:"(?:[^"\\]|\\.){0,8192}"|'(?:[^'\\]|\\.){0,8192}'|["'][^\r\n]{0,8192})"""
# The quotes of JSON inside of JSON stand behind backslashes; b'…', UUID('…') and ['…'] are values as well.
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
# What PostgreSQL, MariaDB and MySQL tell of the row that they refuse.
_constraint = re.compile(r"constraint \\{0,3}\"([^\"\\]{1,128})")
_refused_key = re.compile(
    r"\bKey \((?P<columns>[^()=]{1,512})\)=\((?:(?!\) (?:already|is|conflicts)\b)[\s\S]){0,8192}\)?"
)
_refused_row = re.compile(r"\bFailing row contains \([\s\S]{0,65536}")
_duplicate = re.compile(r"\bDuplicate entry '(?:(?!' for key)[\s\S]){0,8192}' for key '(?P<key>[^']{1,256})'")
# A literal at its beginning lets the search jump from space to space.
_after_telling_word = re.compile(r"(?ia) (?:(?<=bearer )|(?<=token )|(?<=basic )|(?<=: )|(?<=-----begin ))")
_placeholder = re.compile(r"%s|%\(\w+\)s|\?|\$\d+|NULL", re.IGNORECASE)


def redact(value: Any, key: str = "") -> Any:  # noqa: ANN401 - any data
    """A copy of `value` without secrets, made of what JSON has: mappings with text keys, lists, text, numbers.

    A value whose key tells of a secret (`is_secret`) is replaced as a whole, unless it is a boolean or None; so is the
    second of a pair whose first one does. Below eight levels nothing is shown, which also ends data that refers to
    itself; of a list or mapping the first 1,000 items, of a text the first 65,536 characters, of all together about
    10,000 values. What JSON does not have becomes text: times (ISO 8601), bytes (UTF-8) and other objects; an object
    that has no text says so, as does a number of 4,000 digits. NaN and infinity become None, so that what is a number
    in one line is none of another type in the next.
    """
    return _Redaction().redacted(value, key, MAX_DEPTH)


class _Redaction:
    """One walk through data; it ends after so many values, however often they refer to each other."""

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def redacted(self, value: Any, key: str, depth: int) -> Any:  # noqa: ANN401, PLR0911 - one for each kind of value
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
            return f"<{type(value).__qualname__} without a text>"

    def _object(self, value: Any, depth: int) -> Any:  # noqa: ANN401, PLR0911
        if isinstance(value, Mapping):
            return self._mapping(value, depth) if depth and self.left > 0 else TOO_DEEP
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(value, depth) if depth and self.left > 0 else TOO_DEEP
        if isinstance(value, Enum):
            return self.redacted(value.value, "", depth - 1) if depth else TOO_DEEP
        if isinstance(value, bytes | bytearray | memoryview):
            return redact_text(bytes(value[:MAX_TEXT]).decode("utf-8", "backslashreplace"))
        if isinstance(value, datetime | date | time):
            return value.isoformat()
        if isinstance(value, int):
            return self.redacted(int(value), "", depth)
        if isinstance(value, float):
            return self.redacted(float(value), "", depth)
        return redact_text(repr(value) if isinstance(value, BaseException) else str(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        shown = {}
        for key, item in islice(value.items(), MAX_ITEMS):
            name = _name(key)
            shown[name] = self.redacted(item, name, depth - 1)
        if len(value) > MAX_ITEMS:
            shown["…"] = f"{len(value) - MAX_ITEMS} more"
        return shown

    def _items(self, value: Any, depth: int) -> list[Any]:  # noqa: ANN401 - a list, tuple or set
        if len(value) == len(("key", "value")) and isinstance(value, list | tuple) and _is_secret_name(value[0]):
            # A header, as WSGI and ASGI have them.
            return [self.redacted(value[0], "", depth - 1), REDACTED]
        shown = [self.redacted(item, "", depth - 1) for item in islice(value, MAX_ITEMS)]
        if len(value) > MAX_ITEMS:
            shown.append(f"… {len(value) - MAX_ITEMS} more")
        return shown


def _is_secret_name(value: object) -> bool:
    name = value.decode("latin-1") if isinstance(value, bytes) else value
    return isinstance(name, str) and len(name) <= MAX_NAME and is_secret(name)


def _name(key: object) -> str:
    if type(key) is str:
        return key
    try:
        return str(key)
    except Exception:  # noqa: BLE001 - data must never break what it describes
        return f"<{type(key).__qualname__} without a text>"


def redact_text(text: str) -> str:
    """The text without known shapes of secrets.

    These are bearer, basic and other tokens of HTTP, headers of authorization and cookies, JSON web tokens, private
    keys, the credentials of URLs, the values of `key=value` and of `"key": value` where the key tells of a secret, and
    those of a row that a database refused, where a column or the constraint does.
    """
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}…"
    if not may_hold_secret(text) and "\n" not in text and '"' not in text and "\t" not in text:
        return str(text)
    text = _private_key.sub(REDACTED, text)
    text = _header.sub(rf"\1\2{REDACTED}", text)
    text = _scheme.sub(_without_token, text)
    text = _json_web_token.sub(REDACTED, text)
    text = _web_address.sub(rf"\1{REDACTED}@", text)
    text = _address.sub(rf"\1{REDACTED}@", text)
    return _without_values(_without_row(text))


def may_hold_secret(text: str) -> bool:
    """Whether `redact_text` may change a text, told by a quick look at the text or, for many at once, at their JSON.

    A no is certain. In JSON a line break, a tab or a double quote inside of a text shows as a backslash.
    """
    return (
        "=" in text
        or "@" in text
        or "'" in text
        or "\\" in text
        or "eyJ" in text
        or "Failing row" in text
        or (" " in text and _after_telling_word.search(text) is not None)
    )


def _without_token(match: re.Match[str]) -> str:
    # "Token authentication failed" has no secret: a word is told from one by its letters, but never after Bearer.
    if match[1].lower() != "bearer" and not _looks_random.search(match[2]):
        return match[0]
    return f"{match[1]} {REDACTED}"


def _without_row(text: str) -> str:
    """The error of a database without the values of a row, where a column or a constraint of it tells of a secret."""
    if "Key (" in text:
        is_telling = any(is_secret(name) for name in _constraint.findall(text))
        text = _refused_key.sub(lambda match: _without_key(match, is_telling=is_telling), text)
    if "Failing row" in text:
        text = _refused_row.sub(f"Failing row contains ({REDACTED})", text)
    if "Duplicate entry" in text:
        text = _duplicate.sub(_without_entry, text)
    return text


def _without_key(match: re.Match[str], *, is_telling: bool) -> str:
    columns = match["columns"]
    if not is_telling and not any(is_secret(column.strip(' "')) for column in columns.split(",")):
        return match[0]
    return f"Key ({columns})=({REDACTED})"


def _without_entry(match: re.Match[str]) -> str:
    return f"Duplicate entry '{REDACTED}' for key '{match['key']}'" if is_secret(match["key"]) else match[0]


def _without_values(text: str) -> str:
    parts: list[str] = []
    copied = position = 0
    while match := _pair.search(text, position):
        value = match["value"]
        is_hidden = value.startswith(REDACTED[:9]) or _placeholder.fullmatch(value) is not None
        if is_secret(match["key"]) and not is_hidden:
            parts += (text[copied : match.end("before")], REDACTED)
            copied = position = match.end()
        else:
            # A value that is no secret may hold one, as JSON in JSON does.
            position = match.end("before")
    return f"{''.join(parts)}{text[copied:]}" if parts else text


@lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Whether what stands under this key is never shown, in any case and punctuation of the key.

    The key holds one of KEYS or of OBSERVABILITY["REDACTED_KEYS"], or its last word is one of LAST_WORDS. A key of
    several words that ends as HARMLESS_LAST_WORDS do, such as `token_count`, is shown.
    """
    folded = _punctuation.sub("", key.lower())
    if any(part in folded for part in _parts_of_setting()):
        return True
    words = [word.lower() for word in _words.findall(key)]
    if len(words) > 1 and words[-1] in HARMLESS_LAST_WORDS:
        return False
    return any(part in folded for part in KEYS) or (bool(words) and words[-1] in LAST_WORDS)


@lru_cache(maxsize=1)
def _parts_of_setting() -> tuple[str, ...]:
    return tuple(_punctuation.sub("", part.lower()) for part in configuration().redacted_keys)


def forget_keys() -> None:
    """Read OBSERVABILITY["REDACTED_KEYS"] again; for a setting that changed."""
    _parts_of_setting.cache_clear()
    is_secret.cache_clear()
