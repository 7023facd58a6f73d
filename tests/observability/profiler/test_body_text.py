"""Bodies as text without secrets."""

import gzip
import json
import zlib
from urllib.parse import parse_qs

import pytest

from observability.profiler.body_text import FORM, describe_body
from observability.profiler.profile import MAX_BODY_BYTES, CapturedBody

JSON = "application/json"
SECRET = "correct-horse-battery"


def captured(data: bytes) -> CapturedBody:
    body = CapturedBody()
    body.add(data)
    return body


def text_of(data: bytes, content_type: str = JSON, content_encoding: str = "") -> str:
    return describe_body(captured(data), content_type, content_encoding)["text"]


@pytest.mark.parametrize(
    "text", ['{"a":1.50,  "b":"ä"}', "[]", '"x"', '{"a":1,"a":2}', "{broken", "1e999", '{"next":"/?page=2","a":1.50}']
)
@pytest.mark.parametrize("content_type", [JSON, "application/problem+json; charset=utf-8", "Text/JSON"])
def test_json_without_secrets_is_unchanged(text: str, content_type: str) -> None:
    assert describe_body(captured(text.encode()), content_type) == {
        "text": text,
        "bytes": len(text.encode()),
        "is_cut": False,
    }


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/plain; charset=utf-8", "text/event-stream", "application/x-ndjson"],
)
def test_text_without_secrets_is_unchanged(content_type: str) -> None:
    assert text_of(b"<a>one</a>\n", content_type) == "<a>one</a>\n"


def test_empty_body_has_no_text() -> None:
    assert describe_body(captured(b""), JSON) == {"text": "", "bytes": 0, "is_cut": False, "note": ""}


def test_file_is_described_by_a_note() -> None:
    assert describe_body(None, "text/plain") == {
        "text": "", "bytes": 0, "is_cut": False, "note": "a file, which the server sends",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content_type", "note"),
    [
        ("multipart/form-data; boundary=x", "a form with files, which are not shown"),
        ("Multipart/Form-Data; boundary=x", "a form with files, which are not shown"),
        ("image/png", "image/png, not shown"),
        # Secrets cannot be found in these formats.
        ("text/html; charset=utf-8", "text/html, not shown"),
        ("application/xml", "application/xml, not shown"),
        ("application/yaml", "application/yaml, not shown"),
        ("application/octet-stream", "application/octet-stream, not shown"),
        ("", "a body without Content-Type, not shown"),
    ],
)
def test_body_that_is_not_text_is_described_by_a_note(content_type: str, note: str) -> None:
    assert describe_body(captured(b"x" * 9), content_type) == {"text": "", "bytes": 9, "is_cut": False, "note": note}


# Secrets


def test_secrets_in_json_are_redacted_at_any_depth() -> None:
    body = {"user": "ada", "nested": [{"Api-Key": SECRET, "page": 2}], "password": {"old": SECRET}}
    assert json.loads(text_of(json.dumps(body).encode())) == {
        "user": "ada",
        "nested": [{"Api-Key": "[redacted]", "page": 2}],
        "password": "[redacted]",
    }


@pytest.mark.parametrize(
    "body",
    [
        f'{{"password":"{SECRET}"}}',
        f'{{"pass\\u0077ord":"{SECRET}"}}',
        f'{{"password"{" " * 20}:"{SECRET}"}}',
        f'{{"password"\n:\n"{SECRET}"}}',
        f'{{"said":"{{\\"password\\": \\"{SECRET}\\"}}"}}',
        f'{{"said":"Authorization: Bearer {SECRET}1"}}',
        f'{{"said":"password={SECRET}"}}',
    ],
)
def test_secret_in_json_is_redacted_in_any_notation(body: str) -> None:
    text = text_of(body.encode())
    assert SECRET not in text
    assert "[redacted]" in text


def test_secret_under_a_duplicate_key_is_redacted() -> None:
    body = f'{{"next":"/?page=2","password":"{SECRET}","password":null}}'
    assert json.loads(text_of(body.encode())) == {"next": "/?page=2", "password": None}


def test_text_next_to_a_secret_is_kept() -> None:
    assert text_of('{"name":"福瓦","token":"x1"}'.encode()) == '{"name": "福瓦", "token": "[redacted]"}'


def test_secret_in_invalid_json_is_redacted() -> None:
    text = text_of(f'{{"user": "ada", "password": "{SECRET}", }}'.encode())
    assert SECRET not in text
    assert '"user": "ada"' in text


def test_secret_in_very_deep_json_is_redacted() -> None:
    text = text_of(b"[" * 20_000 + f'{{"password": "{SECRET}"}}'.encode())
    assert SECRET not in text
    assert text.startswith("[[[")


def test_secret_in_cut_json_is_redacted() -> None:
    body = f'{{"password": "{SECRET}", "more": "{"x" * MAX_BODY_BYTES}"}}'
    found = describe_body(captured(body.encode()), JSON)
    assert found["is_cut"]
    assert SECRET not in found["text"]


def test_secret_at_the_cut_is_redacted() -> None:
    begin = '{"password": "'
    fill = " " * (MAX_BODY_BYTES - len(begin) - 5)
    text = text_of(f"{fill}{begin}{SECRET}".encode())
    assert SECRET[:5] not in text


def test_secrets_in_a_form_are_redacted() -> None:
    text = text_of(f"user=ada&password={SECRET}&api_key={SECRET}&user=bob&empty=".encode(), FORM)
    assert parse_qs(text, keep_blank_values=True) == {
        "user": ["ada", "bob"],
        "password": ["[redacted]"],
        "api_key": ["[redacted]"],
        "empty": [""],
    }


def test_secret_with_an_encoded_name_in_a_form_is_redacted() -> None:
    assert SECRET not in text_of(f"pass%77ord={SECRET}".encode(), f"{FORM}; charset=utf-8")


def test_secret_in_a_cut_form_is_redacted() -> None:
    text = text_of(f"password={SECRET}&more={'x' * MAX_BODY_BYTES}".encode(), FORM)
    assert SECRET not in text
    assert "more=xxx" in text


def test_secret_in_json_that_is_sent_as_a_form_is_redacted() -> None:
    """Curl does this with `-d` and no other option."""
    assert text_of(f'{{"user": "ada", "password": "{SECRET}"}}'.encode(), FORM) == (
        '{"user": "ada", "password": "[redacted]"}'
    )


def test_object_with_secrets_in_cut_json_is_not_shown() -> None:
    body = f'{{"credentials": {{"pin": "{SECRET}"}}, "more": "{"x" * MAX_BODY_BYTES}"}}'
    assert (
        describe_body(captured(body.encode()), JSON)["note"]
        == "not shown, because it is cut inside a value that may be secret"
    )


def test_secret_with_an_encoded_name_in_a_cut_form_is_redacted() -> None:
    text = text_of(f"user%5Bpassword%5D={SECRET}&more={'x' * MAX_BODY_BYTES}".encode(), FORM)
    assert SECRET not in text


def test_secret_in_text_is_redacted() -> None:
    assert text_of(f"say password={SECRET} now".encode(), "text/plain") == "say password=[redacted] now"


# Size


def test_body_of_64_kib_is_complete() -> None:
    found = describe_body(captured(b"x" * MAX_BODY_BYTES), "text/plain")
    assert (found["is_cut"], len(found["text"]), found["bytes"]) == (False, MAX_BODY_BYTES, MAX_BODY_BYTES)


def test_larger_body_is_cut_and_has_the_size_of_the_whole_body() -> None:
    found = describe_body(captured(b"x" * (MAX_BODY_BYTES + 1)), "text/plain")
    assert (found["is_cut"], len(found["text"]), found["bytes"]) == (True, MAX_BODY_BYTES, MAX_BODY_BYTES + 1)


def test_incomplete_character_at_the_cut_is_removed() -> None:
    found = describe_body(captured(b"x" + "ä".encode() * MAX_BODY_BYTES), "text/plain")
    assert found["text"] == "x" + "ä" * ((MAX_BODY_BYTES - 1) // 2)
    assert "note" not in found


# Compressed bodies


def deflated(data: bytes) -> bytes:
    """Compress without the header of zlib, as some servers do."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("data", "coding"),
    [
        (gzip.compress(b'{"a": 1}', mtime=0), "gzip"),
        (gzip.compress(b'{"a": 1}', mtime=0), "GZip"),
        (zlib.compress(b'{"a": 1}'), "deflate"),
        (deflated(b'{"a": 1}'), "deflate"),
        (gzip.compress(zlib.compress(b'{"a": 1}'), mtime=0), "deflate, gzip"),
        (b'{"a": 1}', "identity"),
    ],
)
def test_compressed_body_is_shown_with_its_compressed_size(data: bytes, coding: str) -> None:
    assert describe_body(captured(data), JSON, coding) == {"text": '{"a": 1}', "bytes": len(data), "is_cut": False}


def test_secret_in_a_compressed_body_is_redacted() -> None:
    assert SECRET not in text_of(gzip.compress(f'{{"password":"{SECRET}"}}'.encode()), JSON, "gzip")


@pytest.mark.parametrize(
    ("data", "coding"),
    [(b"x", "zstd"), (b"no gzip at all", "gzip"), (b"\xff" * 9, "deflate"), (b"x", "br"), (b"x", "gzip, unknown")],
)
def test_body_that_cannot_be_decompressed_is_described_by_a_note(data: bytes, coding: str) -> None:
    found = describe_body(captured(data), JSON, coding)
    assert found == {"text": "", "bytes": len(data), "is_cut": False, "note": f"compressed ({coding}), not shown"}


def test_decompressed_body_is_cut() -> None:
    data = gzip.compress(b"x" * 5_000_000)
    assert len(data) < MAX_BODY_BYTES
    found = describe_body(captured(data), "text/plain", "gzip")
    assert (found["is_cut"], len(found["text"]), found["bytes"]) == (True, MAX_BODY_BYTES, len(data))


def test_cut_compressed_body_is_shown_up_to_the_cut() -> None:
    lines = "".join(f"{number * 2_654_435_761 % 2**64}\n" for number in range(20_000))
    data = gzip.compress(lines.encode())
    assert len(data) > MAX_BODY_BYTES
    found = describe_body(captured(data), "text/plain", "gzip")
    assert found["is_cut"]
    assert found["text"] == lines[:MAX_BODY_BYTES]


# Charsets


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "utf-16", "cp1252"])
def test_body_is_decoded_with_its_charset(charset: str) -> None:
    assert text_of("Größe".encode(charset), f"text/plain; charset={charset}") == "Größe"


def test_invalid_bytes_are_reported() -> None:
    found = describe_body(captured("Größe".encode("latin-1")), "text/plain; charset=utf-8")
    assert found["text"] == "Gr\ufffd\ufffde"
    assert "utf-8" in found["note"]


def test_body_with_an_unknown_charset_is_decoded_as_utf_8_with_a_note() -> None:
    found = describe_body(captured("Größe".encode()), "text/plain; charset=klingon")
    assert found["text"] == "Größe"
    assert "klingon" in found["note"]


def test_form_with_characters_that_utf_8_cannot_encode_is_shown() -> None:
    assert text_of(rb"name=\ud800&page=2", f"{FORM}; charset=unicode_escape") == "name=?&page=2"
