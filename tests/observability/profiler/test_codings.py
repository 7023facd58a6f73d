"""Content-Encoding, taken off a body."""

import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import islice

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.profiler.codings import PIECE_BYTES, CodingError, Decoder


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


COMPRESS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "identity": bytes,
}
# Five times what a decoder may hold in the test of its memory.
BOMB_BYTES = 200 * PIECE_BYTES
# Some bytes, and how often, up to three pieces; hypothesis would print the whole body.
bodies = st.tuples(st.binary(max_size=200), st.just(1)) | st.tuples(
    st.binary(max_size=20), st.integers(0, 3 * PIECE_BYTES // 20)
)
chunk_sizes = st.sampled_from([1, 7, 1_000, 10_000_000])


def decompressed(content_encoding: str, data: bytes, chunk_bytes: int = 1_000) -> bytes:
    decoder = Decoder(content_encoding)
    chunks = [data[start : start + chunk_bytes] for start in range(0, len(data), chunk_bytes)]
    return b"".join(piece for chunk in chunks for piece in decoder.pieces(chunk))


@given(bodies, st.lists(st.sampled_from(list(COMPRESS)), max_size=3), chunk_sizes)
def test_codings_in_a_row_are_taken_off_in_chunks_of_any_size(
    body: tuple[bytes, int], names: list[str], chunk_bytes: int
) -> None:
    part, count = body
    data = part * count
    for name in names:
        data = COMPRESS[name](data)
    assert decompressed(", ".join(names), data, chunk_bytes) == part * count


def test_end_of_a_brotli_body_behind_a_full_piece_is_read() -> None:
    body = b"\0" * 98_280
    assert decompressed("br", brotli.compress(body), chunk_bytes=1) == body


@given(bodies, chunk_sizes)
def test_deflate_without_its_header_is_read_too(body: tuple[bytes, int], chunk_bytes: int) -> None:
    part, count = body
    assert decompressed("deflate", raw_deflate(part * count), chunk_bytes) == part * count


@pytest.mark.parametrize("content_encoding", ["", " identity ", "GZip", "gzip , identity"])
def test_names_of_codings_are_read_as_http_has_them(content_encoding: str) -> None:
    data = gzip.compress(b"a") if "zip" in content_encoding.lower() else b"a"
    assert decompressed(content_encoding, data) == b"a"


def test_gzip_bodies_in_a_row_are_one_body() -> None:
    assert (
        decompressed("gzip", gzip.compress(b"a" * 100_000) + gzip.compress(b"b") + b"\0\0\0", 7)
        == b"a" * 100_000 + b"b"
    )


@pytest.mark.parametrize(
    ("name", "compress"), [("gzip", gzip.compress), ("deflate", raw_deflate), ("br", brotli.compress)]
)
def test_what_is_left_after_a_full_piece_is_read_although_the_input_is_at_its_end(
    name: str, compress: Callable[[bytes], bytes]
) -> None:
    # The last symbol of the input may stand for up to 258 bytes, on both sides of the end of a piece.
    for length in range(PIECE_BYTES, PIECE_BYTES + 30):
        assert len(decompressed(name, compress(b"x" * length))) == length


@pytest.mark.parametrize(
    ("content_encoding", "data"),
    [
        ("gzip", b'{"a": 1}'),
        ("deflate", b"\xff\xff\xff"),
        ("br", b'{"a": 1}'),
        ("br", brotli.compress(b"a") + b"trailing"),
    ],
)
def test_body_that_is_not_compressed_so_is_an_error_that_names_the_coding(content_encoding: str, data: bytes) -> None:
    with pytest.raises(CodingError, match=f"^{content_encoding}: "):
        decompressed(content_encoding, data)


@pytest.mark.parametrize("name", ["zstd", "compress", "gzip, zstd", "*"])
def test_coding_that_is_not_known_is_told_before_anything_is_read(name: str) -> None:
    with pytest.raises(LookupError):
        Decoder(name)


def test_brotli_is_read_by_either_of_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotlicffi", brotli)
    monkeypatch.setitem(sys.modules, "brotli", None)
    assert decompressed("br", brotli.compress(b"a")) == b"a"


class WithoutLimit:
    """A package of brotli before 1.2, whose decompressor gives all at once."""

    error = brotli.error

    class Decompressor:
        process = bytes


@pytest.mark.parametrize("package", [None, WithoutLimit])
def test_brotli_is_not_known_without_a_package_that_can_be_bounded(
    monkeypatch: pytest.MonkeyPatch, package: object
) -> None:
    monkeypatch.setitem(sys.modules, "brotli", package)
    monkeypatch.setitem(sys.modules, "brotlicffi", None)
    with pytest.raises(LookupError):
        Decoder("br")


@pytest.mark.parametrize("names", [("gzip",), ("deflate",), ("br",), ("gzip", "gzip"), ("br", "br"), ("deflate", "br")])
def test_bomb_costs_the_memory_of_what_is_asked_for(names: tuple[str, ...]) -> None:
    data = b"x" * BOMB_BYTES
    for name in names:
        data = COMPRESS[name](data)
    tracemalloc.start()
    try:
        pieces = list(islice(Decoder(", ".join(names)).pieces(data), 10))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert b"".join(pieces).strip(b"x") == b""
    assert peak_bytes < 40 * PIECE_BYTES
