"""What must not be shown: values under telling keys, and known shapes of secrets in text.

Logs, Sentry and the browser show data only after `redact()`.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Any

from observability.conf import configuration

REDACTED = "[redacted]"
KEYS = (
    "apikey", "authorization", "cookie", "credential", "csrf", "passphrase", "passwd", "password", "privatekey",
    "secret", "sentrydsn", "sessionid", "signature", "token",
)  # fmt: skip
MAX_DEPTH = 8
TOO_DEEP = "[too deep]"

_punctuation = re.compile(r"[^a-z0-9]")
_shapes = (
    (re.compile(r"\b(Bearer|Token|Basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^/\s:@]*:?[^/\s@]*@"), rf"\1{REDACTED}@"),
)


def redact(value: Any, key: str = "") -> Any:  # noqa: ANN401 - any data
    """A copy of `value` without secrets, made of what JSON has: mappings with text keys, lists, text, numbers.

    A value whose key holds one of KEYS (or of OBSERVABILITY["REDACTED_KEYS"]), in any case and punctuation, is replaced
    as a whole. Below eight levels nothing is shown, which also ends data that refers to itself. A number that JSON
    does not have (NaN, infinity) becomes text. Objects of other types stay as they are.
    """
    return _redact(value, key, MAX_DEPTH)


def _redact(value: Any, key: str, depth: int) -> Any:  # noqa: ANN401
    if key and is_secret(key):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {_text(k): _redact(v, _text(k), depth - 1) for k, v in value.items()} if depth else TOO_DEEP
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact(item, "", depth - 1) for item in value] if depth else TOO_DEEP
    return value


def redact_text(text: str) -> str:
    """The text without bearer tokens and without the credentials of URLs."""
    if "://" in text or "earer" in text or "oken" in text or "asic" in text:
        for pattern, replacement in _shapes:
            text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=2048)
def is_secret(key: str) -> bool:
    """Whether what stands under this key is never shown."""
    folded = _punctuation.sub("", key.lower())
    return any(part in folded for part in _secret_parts())


@lru_cache(maxsize=1)
def _secret_parts() -> tuple[str, ...]:
    return KEYS + tuple(_punctuation.sub("", part.lower()) for part in configuration().redacted_keys)


def _text(key: object) -> str:
    return key if isinstance(key, str) else str(key)


def forget_keys() -> None:
    """Read OBSERVABILITY["REDACTED_KEYS"] again; for a setting that changed."""
    _secret_parts.cache_clear()
    is_secret.cache_clear()
