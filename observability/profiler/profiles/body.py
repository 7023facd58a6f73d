"""A body as a developer may see it: text without secrets, or a sentence that says what it is."""

import json
import re
from typing import Any

from observability.profiler.addresses import redacted_pair
from observability.profiler.charset import decoded
from observability.profiler.codings import CodingError, Decoder
from observability.profiler.profiles.exchange import MAX_BODY_BYTES, Heard
from observability.redaction import is_secret, may_hold_secret, redact, redact_text

FORM = "application/x-www-form-urlencoded"

_json_key = re.compile(r'"([^"\\]{1,128}+)"\s*+:')
# Where a body has escapes; it takes three times as long.
_any_json_key = re.compile(r'"((?:[^"\\]|\\.){1,128})"\s*:')
# Of what an XML, a YAML or a table says nobody knows what is secret.
_textual = re.compile(r"text/(plain|json|event-stream)|.*[/+](json|x-ndjson)$")
# A secret that is cut may be any part of such a value.
_secret_of_many = re.compile(r'"((?:[^"\\]|\\.){1,128})"\s*:\s*[\[{]')


def shown(body: Heard | None, content_type: str, content_encoding: str = "") -> dict[str, Any]:
    """`text`, `bytes` (of all of it, as it was sent), `is_cut`, and `note` where there is something to say about it.

    JSON, forms and plain text are shown, decompressed, up to 64 KiB; of a body that is cut, or is no valid JSON,
    secrets are looked for in the text.
    """
    if body is None or not body.size:
        return _told("a file, sent by the server" if body is None else "", 0)
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
    told = _without_secrets(text, media_type, is_cut=is_cut)
    if told is None:
        return _told("cut within what may be secret, not shown", body.size)
    return {"text": told, "bytes": body.size, "is_cut": is_cut} | ({"note": " ".join(problems)} if problems else {})


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


def _without_secrets(text: str, media_type: str, *, is_cut: bool) -> str | None:
    """The text; None where what is secret in it cannot be told from the rest."""
    if media_type == FORM and text.lstrip()[:1] not in ("{", "["):
        # Some charsets of Python's can read what UTF-8 cannot write.
        return "&".join(map(redacted_pair, text.split("&"))).encode(errors="replace").decode()
    # curl sends JSON as a form where it is not told otherwise.
    if media_type.endswith("json") or media_type == FORM:
        if is_cut:
            return None if any(map(is_secret, _secret_of_many.findall(text))) else redact_text(text)
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
