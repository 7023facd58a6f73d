"""Decode Content-Encoding in pieces."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.profiler.body_text import PIECE_BYTES, ContentDecoder, DecodingError


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
}
# Five times the memory that a decoder may use in the memory test.
BOMB_BYTES = 200 * PIECE_BYTES
# Some bytes and the number of their repetitions, up to three pieces: hypothesis would print a whole body.
bodies = st.tuples(st.binary(max_size=200), st.just(1)) | st.tuples(
    st.binary(max_size=20), st.integers(0, 3 * PIECE_BYTES // 20)
)
chunk_sizes = st.sampled_from([1, 7, 1_000, 10_000_000])


def decompressed(content_encoding: str, data: bytes, chunk_bytes: int = 1_000) -> bytes:
    decoder = ContentDecoder(content_encoding)
    chunks = [data[start : start + chunk_bytes] for start in range(0, len(data), chunk_bytes)]
    return b"".join(piece for chunk in chunks for piece in decoder.pieces(chunk))


@given(bodies, st.lists(st.sampled_from(list(COMPRESS)), max_size=3), chunk_sizes)
def test_several_encodings_are_decoded_in_chunks_of_any_size(
    body: tuple[bytes, int], names: list[str], chunk_bytes: int
) -> None:
    part, count = body
    data = part * count
    for name in names:
        data = COMPRESS[name](data)
    assert decompressed(", ".join(names), data, chunk_bytes) == part * count


@given(bodies, chunk_sizes)
def test_deflate_without_its_header_is_decoded(body: tuple[bytes, int], chunk_bytes: int) -> None:
    part, count = body
    assert decompressed("deflate", raw_deflate(part * count), chunk_bytes) == part * count


@pytest.mark.parametrize("content_encoding", ["", " identity ", "GZip", "gzip , identity"])
def test_names_of_encodings_are_parsed_as_in_http(content_encoding: str) -> None:
    data = gzip.compress(b"a") if "zip" in content_encoding.lower() else b"a"
    assert decompressed(content_encoding, data) == b"a"


def test_consecutive_gzip_members_are_one_body() -> None:
    assert (
        decompressed("gzip", gzip.compress(b"a" * 100_000) + gzip.compress(b"b") + b"\0\0\0", 7)
        == b"a" * 100_000 + b"b"
    )


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("deflate", raw_deflate)])
def test_output_after_a_full_piece_is_read_at_the_end_of_the_input(
    name: str, compress: Callable[[bytes], bytes]
) -> None:
    # The last symbol of the input may represent up to 258 bytes, before and after the end of a piece.
    for length in range(PIECE_BYTES, PIECE_BYTES + 30):
        assert len(decompressed(name, compress(b"x" * length))) == length


@pytest.mark.parametrize(
    ("content_encoding", "data"),
    [
        ("gzip", b'{"a": 1}'),
        ("deflate", b"\xff\xff\xff"),
    ],
)
def test_body_in_another_format_is_an_error_with_the_encoding(content_encoding: str, data: bytes) -> None:
    with pytest.raises(DecodingError, match=f"^{content_encoding}: "):
        decompressed(content_encoding, data)


@pytest.mark.parametrize("name", ["br", "zstd", "compress", "gzip, zstd", "*"])
def test_unknown_encoding_is_an_error_before_the_body_is_read(name: str) -> None:
    with pytest.raises(LookupError):
        ContentDecoder(name)


@pytest.mark.parametrize("names", [("gzip",), ("deflate",), ("gzip", "gzip"), ("deflate", "gzip")])
def test_decompression_bomb_uses_only_the_memory_of_the_pieces_that_are_read(names: tuple[str, ...]) -> None:
    data = b"x" * BOMB_BYTES
    for name in names:
        data = COMPRESS[name](data)
    tracemalloc.start()
    try:
        pieces = list(islice(ContentDecoder(", ".join(names)).pieces(data), 10))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert b"".join(pieces).strip(b"x") == b""
    assert peak_bytes < 40 * PIECE_BYTES
