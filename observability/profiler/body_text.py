"""Convert a body to text: decode Content-Encoding and charset, and redact secrets."""

import codecs
import json
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NotRequired, TypedDict

from django.utils.http import parse_header_parameters

from observability.profiler.links import redact_parameter
from observability.profiler.profile import MAX_BODY_BYTES, CapturedBody
from observability.redaction import NAME_KEYS, is_secret, json_may_hold_secret, redact, redact_text

FORM = "application/x-www-form-urlencoded"
PIECE_BYTES = 64 * 1024

_json_key = re.compile(r'"([^"\\]{1,128}+)"\s*+:')
# For bodies with escapes. This pattern takes three times as long.
_any_json_key = re.compile(r'"((?:[^"\\]|\\.){1,128})"\s*:')
# Text in which secrets can be found. They cannot be found in XML, YAML or tables.
_textual = re.compile(r"text/(plain|json|event-stream)|.*[/+](json|x-ndjson)$")
# If the body is cut, any part of such a value may be secret.
_key_of_object_or_list = re.compile(r'"((?:[^"\\]|\\.){1,128})"\s*:\s*[\[{]')
# Python's codecs for host names. No document uses them, and they take a minute per MiB.
_host_name_codecs = ("idna", "punycode")


class BodyDocument(TypedDict):
    """A body in the document of a profile. `bytes` is the size of the whole body as it was sent."""

    text: str
    bytes: int
    is_cut: bool
    note: NotRequired[str]


class DecodingError(ValueError):
    """The body does not have the format that Content-Encoding names."""


def describe_body(body: CapturedBody | None, content_type: str, content_encoding: str = "") -> BodyDocument:
    """Return the text of a body, and a note if the text is missing or has a problem. None means the body of a file.

    JSON, forms and plain text are decompressed and shown up to 64 KiB. If a body is cut or is not valid JSON, secrets
    are searched in its text.
    """
    if body is None or not body.size:
        return _body_without_text("a file, which the server sends" if body is None else "", 0)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return _body_without_text("a form with files, which are not shown", body.size)
    if media_type != FORM and not _textual.match(media_type):
        return _body_without_text(f"{media_type or 'a body without Content-Type'}, not shown", body.size)
    try:
        data = _decompress(body.data, content_encoding)
    except (LookupError, DecodingError):
        return _body_without_text(f"compressed ({content_encoding}), not shown", body.size)
    is_cut = body.size > len(body.data) or len(data) > MAX_BODY_BYTES
    text, problems = decode_text(data[:MAX_BODY_BYTES], content_type, is_cut=is_cut)
    safe_text = _redact(text, media_type, is_cut=is_cut)
    if safe_text is None:
        return _body_without_text("not shown, because it is cut inside a value that may be secret", body.size)
    document: BodyDocument = {"text": safe_text, "bytes": body.size, "is_cut": is_cut}
    if problems:
        document["note"] = " ".join(problems)
    return document


def _body_without_text(note: str, size: int) -> BodyDocument:
    return {"text": "", "bytes": size, "is_cut": False, "note": note}


def _decompress(data: bytes, content_encoding: str) -> bytes:
    """Return the decompressed data; if it is longer than 64 KiB, at least the first 64 KiB + 1 byte."""
    if not content_encoding:
        return data
    decompressed = b""
    for piece in ContentDecoder(content_encoding).pieces(data):
        decompressed += piece
        if len(decompressed) > MAX_BODY_BYTES:
            break
    return decompressed


def _redact(text: str, media_type: str, *, is_cut: bool) -> str | None:
    """Return the text without secrets; None if the secrets cannot be separated from the rest."""
    if media_type == FORM and text.lstrip()[:1] not in ("{", "["):
        # Some charsets of Python decode characters that UTF-8 cannot encode.
        return "&".join(map(redact_parameter, text.split("&"))).encode(errors="replace").decode()
    # Without a Content-Type, curl sends JSON as a form.
    if media_type.endswith("json") or media_type == FORM:
        if is_cut:
            return None if any(map(is_secret, _key_of_object_or_list.findall(text))) else redact_text(text)
        # Most bodies contain no secret. They are shown exactly as they were sent.
        keys = (_any_json_key if "\\" in text else _json_key).findall(text)
        has_secret_key = any(map(is_secret, set(keys)))
        has_names = '["' in text or ("value" in keys and not NAME_KEYS.isdisjoint(keys))
        if not has_secret_key and not has_names and not json_may_hold_secret(text, len(keys)):
            return text
        try:
            value = json.loads(text)
            redacted = redact(value)
            return text if redacted == value and not has_secret_key else json.dumps(redacted, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    return redact_text(text)


def decode_text(data: bytes, content_type: str, *, is_cut: bool) -> tuple[str, list[str]]:
    """Return the text of a JSON body, and a sentence for each problem with its charset.

    The charset is that of Content-Type. If Content-Type has no charset, UTF-8, UTF-16 or UTF-32 is detected from the
    bytes. Bytes that cannot be decoded become U+FFFD. An incomplete character at the end of a cut body is left out.
    """
    named = _charset_name(content_type)
    charset = named or json.detect_encoding(data).removesuffix("-sig")
    problems = []
    if not named and charset != "utf-8":
        problems.append(f"Content-Type has no charset, so the JSON must be UTF-8, but it was read as {charset}.")
    try:
        text, more = _decode(data, charset, is_cut=is_cut)
    except ValueError:
        text, more = _decode(data, "utf-8", is_cut=is_cut)
        problems.append(f"Content-Type has the unknown charset “{charset[:40]}”. The body was read as UTF-8.")
    problems += more
    if text.startswith("\ufeff"):
        text = text.removeprefix("\ufeff")
        problems.append("The body starts with a byte order mark, which many JSON parsers reject. It is not shown here.")
    return text, problems


def _charset_name(content_type: str) -> str:
    try:
        return parse_header_parameters(content_type)[1].get("charset", "").strip()
    except ValueError:
        return ""


def _decode(data: bytes, charset: str, *, is_cut: bool) -> tuple[str, list[str]]:
    """Return the text, and a sentence if some bytes are invalid. Raises `ValueError` for an unknown charset."""
    try:
        # Python also has codecs that are not charsets (zlib, rot13). Only this call rejects them.
        b" ".decode(charset, "replace")
        codec = codecs.lookup(charset)
    except LookupError as error:
        raise ValueError(charset) from error
    decoder = codec.incrementaldecoder
    if decoder is None or codec.name in _host_name_codecs:
        raise ValueError(charset)
    try:
        return decoder("strict").decode(data, final=not is_cut), []
    except UnicodeDecodeError:
        text = decoder("replace").decode(data, final=not is_cut)
        return text, [f"The body has bytes that are not valid {charset}. They are shown as \ufffd."]


# A function that decompresses a chunk of a body into pieces of at most 64 KiB, one at a time. Pieces may be empty.
_Stage = Callable[[bytes], Iterator[bytes]]


class ContentDecoder:
    """Decode the Content-Encoding of a body, chunk by chunk. The memory is bounded, even for a decompression bomb.

    There is a stage for each encoding, and each stage has one piece in memory at a time. The encodings are decoded from
    the last to the first (RFC 9110, section 8.4). Raises `LookupError` for encodings other than gzip, deflate and
    identity.
    """

    def __init__(self, content_encoding: str) -> None:
        names = [name.strip().lower() for name in content_encoding.split(",")]
        self._stages = [_stages[name]() for name in reversed(names) if name not in ("", "identity")]

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decompressed chunk in pieces. A piece is decompressed when it is read. Raises `DecodingError`."""
        pieces: Iterator[bytes] = (chunk[start : start + PIECE_BYTES] for start in range(0, len(chunk), PIECE_BYTES))
        for stage in self._stages:
            pieces = chain.from_iterable(map(stage, pieces))
        return pieces


class _Zlib:
    """Decompress gzip or deflate. After a gzip member there may be another member (RFC 1952) or padding."""

    def __init__(self, name: str, window_bits: int) -> None:
        self._name = name
        self._window_bits = window_bits
        self._start()

    def _start(self) -> None:
        self._decompressor = zlib.decompressobj(self._window_bits)

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        while True:
            if self._decompressor.eof:
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    return
                self._start()
            try:
                piece = self._decompressor.decompress(chunk, PIECE_BYTES)
            except zlib.error as error:
                raise DecodingError(f"{self._name}: {error}") from error
            yield piece
            chunk = self._decompressor.unconsumed_tail or self._decompressor.unused_data
            # After a full piece, the decompressor may have more output, even if it has consumed all input.
            if not chunk and len(piece) < PIECE_BYTES:
                return


class _Deflate:
    """Decompress deflate, which is the zlib format (RFC 1950). Some servers omit its header of two bytes."""

    def __init__(self) -> None:
        self._head = b""
        self._stage: _Zlib | None = None

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        if self._stage is None:
            self._head += chunk
            if len(self._head) < 2:  # noqa: PLR2004 - the length of the header
                return
            chunk = self._head
            has_header = chunk[0] & 0x0F == zlib.DEFLATED and int.from_bytes(chunk[:2], "big") % 31 == 0
            self._stage = _Zlib("deflate", zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
        yield from self._stage(chunk)


_stages: dict[str, Callable[[], _Stage]] = {
    "gzip": lambda: _Zlib("gzip", zlib.MAX_WBITS | 16),
    "x-gzip": lambda: _Zlib("gzip", zlib.MAX_WBITS | 16),
    "deflate": _Deflate,
}
