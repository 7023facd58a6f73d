"""Content-Encoding, taken off a body piece by piece: a few bytes may decompress to any size."""

import importlib
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

PIECE_BYTES = 64 * 1024

# Gives what a part of a body decompresses to in pieces, as they are asked for: about 64 KiB each, some of them empty.
Stage = Callable[[bytes], Iterator[bytes]]


class CodingError(ValueError):
    """The body is not what Content-Encoding says."""


class Decoder:
    """Takes the codings off one body. A reading makes it and feeds it the chunks in order; it ends with the body.

    Each stage (RFC 9110, section 8.4: the coding that is named last was applied last) holds one piece at a time. Raises
    `LookupError` for a coding that is not known here, or whose package is not installed.
    """

    def __init__(self, content_encoding: str) -> None:
        names = [name.strip().lower() for name in content_encoding.split(",")]
        self._stages = [_stages[name]() for name in reversed(names) if name not in ("", "identity")]

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What a chunk decompresses to, as far as it is asked for. Raises `CodingError`."""
        found: Iterator[bytes] = (chunk[start : start + PIECE_BYTES] for start in range(0, len(chunk), PIECE_BYTES))
        for stage in self._stages:
            found = chain.from_iterable(map(stage, found))
        return found


class _Zlib:
    """gzip or deflate; what follows the end of a gzip body is another one (RFC 1952), or padding, which is left out."""

    def __init__(self, name: str, window_bits: int) -> None:
        self._name = name
        self._window_bits = window_bits
        self._begin()

    def _begin(self) -> None:
        self._inflating = zlib.decompressobj(self._window_bits)

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        while True:
            if self._inflating.eof:
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    return
                self._begin()
            try:
                piece = self._inflating.decompress(chunk, PIECE_BYTES)
            except zlib.error as error:
                raise CodingError(f"{self._name}: {error}") from error
            yield piece
            chunk = self._inflating.unconsumed_tail or self._inflating.unused_data
            # After a full piece there may be more, although all of the chunk was taken.
            if not chunk and len(piece) < PIECE_BYTES:
                return


class _Deflate:
    """deflate, which means the format of zlib (RFC 1950); some servers leave out its header, which has two bytes."""

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


class _Brotli:
    """br, by whichever of the two packages is installed; an application that compresses by it has one."""

    def __init__(self) -> None:
        package = _brotli()
        self._error: type[Exception] = package.error
        self._decompressor = package.Decompressor()

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        is_over = not chunk
        while not is_over:
            try:
                piece = self._decompressor.process(chunk, output_buffer_limit=PIECE_BYTES)
            except self._error as error:
                raise CodingError(f"br: {error}") from error
            yield piece
            # What is left of the chunk is within the package now.
            chunk = b""
            # After a full piece there may be more, although the package would accept more data.
            has_less = len(piece) < PIECE_BYTES and self._decompressor.can_accept_more_data()
            is_over = self._decompressor.is_finished() or has_less


def _brotli() -> Any:  # noqa: ANN401 - a module without types
    """The package. One from before 1.2 has no limit of what it gives at once, and counts as not installed."""
    for name in ("brotli", "brotlicffi"):
        try:
            package = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(package.Decompressor, "can_accept_more_data"):
            return package
    raise LookupError("br")


_stages: dict[str, Callable[[], Stage]] = {
    "gzip": lambda: _Zlib("gzip", zlib.MAX_WBITS | 16),
    "x-gzip": lambda: _Zlib("gzip", zlib.MAX_WBITS | 16),
    "deflate": _Deflate,
    "br": _Brotli,
}
