"""Find secrets in text: the order of the steps, and a fast check for texts without a secret.

`redact_text` first removes what needs no key: private keys, tokens with a known prefix, credentials in addresses. Then
it looks for secret keys in each notation. Each pattern is bounded, and what a scan has passed is never scanned again:
the cost grows linearly with the length of the text.
"""

import re
from functools import lru_cache
from urllib.parse import quote, unquote

from observability.redaction.addresses import redact_addresses, webhook
from observability.redaction.elements import redact_elements
from observability.redaction.headers import redact_headers
from observability.redaction.keys import is_secret
from observability.redaction.keys import reload_keys as reload_secret_keys
from observability.redaction.named_values import KEYS_OF_NAMED_VALUES, redact_form_parts, redact_named_values
from observability.redaction.pairs import redact_pairs
from observability.redaction.sql import redact_rejected_rows, redact_statements
from observability.redaction.tokens import redact_http_tokens, redact_known_tokens, redact_private_keys

MAX_TEXT = 65_536
MAX_KEY = 160
# At the end of a text that is cut, a part of a secret would not be recognized as one.
MAX_CUT_WORD = 256
# `%2570` is an encoded `%70`, which is an encoded `p`.
MAX_DECODINGS = 3

_percent = re.compile(r"%[0-9A-Fa-f]{2}")
_parameter = re.compile(r"[^\s&?;\"'<>]++")
_escape = re.compile(r"\\{1,4}(?:u00|x)([2-7][0-9A-Fa-f])")

# Each pattern starts with one character, so that the search jumps from one of them to the next.
_after_space = re.compile(r" (?:-|(?<=[rncRNC] )(?i:(?<=bearer )|(?<=token )|(?<=basic )))")
_after_dash = re.compile(r"-(?:(?=[A-Za-z0-9_-]{10})(?:(?<=[tkpiY]-)|(?<=xox[a-z]-))|(?=---))")
_after_underscore = re.compile(r"_(?=[A-Za-z0-9+/=]{16})")
_after_dot = re.compile(r"\.(?=[A-Za-z0-9_-]{16})")
_key_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.[]-"
# The last words of keys of two words, and the keys of objects with a name and a value.
_words_before_colon = frozenset({"code", *KEYS_OF_NAMED_VALUES})
_colon_of_value = re.compile(r":(?!//)(?<!\":)(?!(?<=[T \":]\d\d:)\d\d)")


def redact_text(text: str) -> str:
    """Return the text without the secrets that can be recognized.

    These are: the value of a secret key, in any usual notation (`key=value`, `"key": value`, `--key value`, headers,
    elements of XML, objects with a name and a value, literals of SQL, percent-encoded); tokens with a known prefix,
    HTTP tokens and JSON web tokens; private keys; credentials in addresses; the values of a row that a database
    rejected, if a column or the constraint has a secret name.

    In the source lines of a traceback, only literals can be secrets: names and calls stay.
    """
    if len(text) > MAX_TEXT:
        text = _cut(text)
    return _redact(text, MAX_DECODINGS) if may_hold_secret(text) else str(text)


def _cut(text: str) -> str:
    start = text[:MAX_TEXT]
    before, _, word = start.rpartition(" ")
    return f"{before} …" if before and len(word) <= MAX_CUT_WORD else f"{start}…"


def _redact(text: str, decodings: int) -> str:
    """Return the text without secrets. Encoded parts are decoded and redacted too, this number of times at most."""
    text = redact_private_keys(text)
    text = redact_known_tokens(text)
    lower = text.lower()
    if "authorization" in lower or "cookie" in lower:
        text = redact_headers(text)
    text = redact_http_tokens(text)
    text = redact_addresses(text)
    text = redact_rejected_rows(text)
    text = redact_elements(text)
    if '"' in text or "'" in text:
        text = redact_statements(text)
        text = redact_form_parts(text)
    if "val" in lower or "content" in lower or "default" in lower:
        text = redact_named_values(text)
    text = redact_pairs(text)
    return _redact_decoded(text, decodings) if decodings else text


def _redact_decoded(text: str, decodings: int) -> str:
    if "\\" in text:
        text = _redact_escaped(text, decodings)
    if "%" in text and _percent.search(text):
        text = _parameter.sub(lambda match: _redact_encoded(match[0], decodings), text)
    return text


def _redact_encoded(parameter: str, decodings: int) -> str:
    """Return a part of a URL or form between two delimiters. It stays encoded, unless it has a secret."""
    if "%" not in parameter:
        return parameter
    decoded = unquote(parameter)
    redacted = _redact(decoded, decodings - 1)
    return parameter if redacted == decoded else quote(redacted, safe="[]=/:,@!$()*+;?{}&")


def _redact_escaped(text: str, decodings: int) -> str:
    """Return the text; if letters with escapes of JSON or Python hide a secret, without these escapes."""
    decoded = _escape.sub(_unescape, text)
    if decoded == text:
        return text
    redacted = _redact(decoded, decodings - 1)
    return text if redacted == decoded else redacted


def _unescape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return match[0] if character in "\"'\\`" else character


def may_hold_secret(text: str) -> bool:
    """Return whether `redact_text` may change the text. This check is fast; only the answer False is certain."""
    return '"' in text or "\n" in text or "\t" in text or "\r" in text or json_may_hold_secret(text, 0)


def json_may_hold_secret(text: str, key_count: int) -> bool:
    """Return whether `redact_text` may change a value of a JSON object, which has no objects or lists inside.

    In such JSON without spaces, a line break, tab or double quote inside a value has a backslash, and each key has one
    colon. Only the answer False is certain. The caller checks the keys.

    The checks are ordered by their cost: a search for one character takes a tenth of the time of one for two.
    """
    if (
        "=" in text or "'" in text or "\\" in text or "@" in text or "%" in text or "&" in text
        or "`" in text or "$" in text
    ):  # fmt: skip
        return True
    if text.count(":") > key_count and _has_colon_after_secret_key(text):
        return True
    if " " in text and (
        _after_space.search(text) is not None or ("-" in text and (text[0] == "-" or text.rfind('"-') >= 0))
    ):
        return True
    if ("<" in text and "</" in text) or ("/" in text and text.rfind(".com/") >= 0 and webhook.search(text)):
        return True
    # Private keys and tokens with a known prefix have a capital letter.
    return text.lower() != text and (
        _after_underscore.search(text) is not None
        or ("-" in text and _after_dash.search(text) is not None)
        or ("." in text and _after_dot.search(text) is not None)
        or ("J" in text and text.rfind("eyJ") >= 0)
        or ("I" in text and (text.rfind("KIA") >= 0 or text.rfind("SIA") >= 0 or "AIza" in text))
        or ("F" in text and "Failing row" in text)
        or ("L" in text and "LS0tLS1" in text)
    )


def _has_colon_after_secret_key(text: str) -> bool:
    for match in _colon_of_value.finditer(text):
        before = text[max(0, match.start() - MAX_KEY) : match.start()].rstrip(" )")
        word = before[len(before.rstrip(_key_characters)) :]
        if _may_precede_secret(word):
            return True
    return False


@lru_cache(maxsize=4096)
def _may_precede_secret(word: str) -> bool:
    return is_secret(word) or word.lower() in _words_before_colon or "PuTTY" in word


def reload_keys() -> None:
    """Read OBSERVABILITY["REDACTED_KEYS"] again, after the setting changed."""
    reload_secret_keys()
    _may_precede_secret.cache_clear()
