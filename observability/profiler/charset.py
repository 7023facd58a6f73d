"""The text of a JSON body, whatever charset it is in."""

import codecs
import json

from django.utils.http import parse_header_parameters

# Python's codecs of names of hosts: they write no documents, and take a minute for a MiB.
_of_hosts = ("idna", "punycode")


def decoded(data: bytes, content_type: str, *, is_cut: bool) -> tuple[str, list[str]]:
    """The text, and sentences about what is wrong with its charset.

    It is the charset of Content-Type, or where that names none the one of UTF-8, UTF-16 and UTF-32 that the bytes are
    in. Bytes that it cannot read become U+FFFD; of a body that was cut, half a character at the end is left out.
    """
    named = _named(content_type)
    charset = named or json.detect_encoding(data).removesuffix("-sig")
    notes = []
    if not named and charset != "utf-8":
        notes.append(f"It names no charset, and JSON without one is UTF-8. It was read as {charset}.")
    try:
        text, more = _read(data, charset, is_cut=is_cut)
    except ValueError:
        text, more = _read(data, "utf-8", is_cut=is_cut)
        notes.append(f"It names the charset “{charset[:40]}”, which is not known. It was read as UTF-8.")
    notes += more
    if text.startswith("\ufeff"):
        text = text.removeprefix("\ufeff")
        notes.append("It begins with a byte order mark, which many readers of JSON refuse. It is left out here.")
    return text, notes


def _named(content_type: str) -> str:
    try:
        return parse_header_parameters(content_type)[1].get("charset", "").strip()
    except ValueError:
        return ""


def _read(data: bytes, charset: str, *, is_cut: bool) -> tuple[str, list[str]]:
    """The text and what is wrong with it. Raises `ValueError` for what is no charset."""
    try:
        # Python's codecs have more than charsets (zlib, rot13); only this refuses them.
        b" ".decode(charset, "replace")
        codec = codecs.lookup(charset)
    except LookupError as error:
        raise ValueError(charset) from error
    make = codec.incrementaldecoder
    if make is None or codec.name in _of_hosts:
        raise ValueError(charset)
    try:
        return make("strict").decode(data, final=not is_cut), []
    except UnicodeDecodeError:
        text = make("replace").decode(data, final=not is_cut)
        return text, [f"It is not all {charset}: what could not be read is shown as \ufffd."]
