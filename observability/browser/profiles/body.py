"""A body as a developer may see it: text without secrets, or a sentence that says what it is."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

from observability.browser.charset import decoded
from observability.browser.codings import CodingError, Decoder
from observability.browser.profiles.exchange import MAX_BODY_BYTES, Heard
from observability.redaction import is_secret, may_hold_secret, redact, redact_text

FORM = "application/x-www-form-urlencoded"

_json_key = re.compile(r'"([^"\\]{1,128}+)"\s*+:')
# Where a body has escapes; it takes three times as long.
_any_json_key = re.compile(r'"((?:[^"\\]|\\.){1,128})"\s*:')
_textual = re.compile(r"text/|.*[/+](json|xml|yaml|javascript|x-ndjson)$")


def shown(body: Heard | None, content_type: str, content_encoding: str = "") -> dict[str, Any]:
    """`text`, `bytes` (of all of it, as it was sent), `is_cut`, and `note` where there is something to say about it.

    JSON, forms and text are shown, decompressed, up to 64 KiB; of a body that is cut, or is no valid JSON, secrets are
    looked for in the text.
    """
    if body is None:
        return _told("a file, sent by the server", 0)
    if not body.size:
        return _told("", 0)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return _told("a form with files, not shown", body.size)
    if media_type != FORM and not _textual.match(media_type):
        return _told(f"{media_type or 'no type'}, not shown", body.size)
    try:
        data = _decompressed(body.data, content_encoding)
    except (LookupError, CodingError):
        return _told(f"compressed ({content_encoding}), not shown", body.size)
    is_cut = body.size > len(body.data) or len(data) > MAX_BODY_BYTES
    text, problems = decoded(data[:MAX_BODY_BYTES], content_type, is_cut=is_cut)
    note = {"note": " ".join(problems)} if problems else {}
    return {"text": _without_secrets(text, media_type, is_cut=is_cut), "bytes": body.size, "is_cut": is_cut} | note


def _told(note: str, size: int) -> dict[str, Any]:
    return {"text": "", "bytes": size, "is_cut": False, "note": note}


def _decompressed(data: bytes, content_encoding: str) -> bytes:
    """A little more than 64 KiB of it, where it has more."""
    if not content_encoding:
        return data
    found = b""
    for piece in Decoder(content_encoding).pieces(data):
        found += piece
        if len(found) > MAX_BODY_BYTES:
            break
    return found


def _without_secrets(text: str, media_type: str, *, is_cut: bool) -> str:
    if media_type == FORM and not is_cut:
        pairs = parse_qsl(text, keep_blank_values=True)
        # Some charsets of Python's can read what UTF-8 cannot write.
        return urlencode([(name, redact(value, name)) for name, value in pairs], safe="[]", errors="replace")
    if media_type.endswith("json") and not is_cut:
        # Most bodies have nothing to hide, and stay as they were sent.
        keys = (_any_json_key if "\\" in text else _json_key).findall(text)
        names_secret = any(map(is_secret, set(keys)))
        if not names_secret and not may_hold_secret(text):
            return text
        try:
            value = json.loads(text)
            told = redact(value)
            return text if told == value and not names_secret else json.dumps(told, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    return redact_text(text)
