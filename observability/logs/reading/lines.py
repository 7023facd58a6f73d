"""The lines of one file of a log, whole and in order, whatever a kill left of others."""

import bz2
import gzip
import io
import json
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, cast

import orjson

from observability.logs.reading.mistake import ReadingError
from observability.logs.reading.segments import Segment

BLOCK_BYTES = 1 << 20
# What has no end of line by then is no line of a log.
MAX_LINE_BYTES = 64 << 20

Record = dict[str, Any]


def parsed(line: bytes, time_key: str = "timestamp") -> Record | None:
    """The record of a line; of a torn one with a whole line right behind it the latter; None where there is none."""
    return _record(line, orjson.loads, time_key) or unread(line, time_key)


def unread(line: bytes, time_key: str = "timestamp") -> Record | None:
    """The record in a line that a strict parser of JSON reads none in: behind a fragment, or with half a surrogate."""
    if _record(line, orjson.loads, time_key):
        return None
    start = max(0, line.rfind(f'{{"{time_key}":'.encode()))
    return _record(line[start:], json.loads, time_key)


def _record(line: bytes, loads: Callable[[bytes], Any], time_key: str) -> Record | None:
    try:
        value = loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.get(time_key) is not None else None


def lines(segment: Segment, start: int = 0) -> Iterator[bytes]:
    """Each line that has an end, and what follows the last one, without their ends; empty ones are left out.

    `start` is where to begin, in bytes, of a file that is not compressed. What is damaged in a compressed file ends it.
    """
    for block in blocks(segment, start):
        yield from filter(None, block.split(b"\n"))


def holding(segment: Segment, text: bytes) -> Iterator[bytes]:
    """The lines in which the text stands: a look at the bytes, much faster than a look at each line."""
    for block in blocks(segment):
        found = block.find(text)
        while found >= 0:
            begin = block.rfind(b"\n", 0, found) + 1
            end = block.find(b"\n", found)
            end = len(block) if end < 0 else end
            yield bytes(block[begin:end])
            found = block.find(text, end)


def lines_backwards(segment: Segment) -> Iterator[bytes]:
    """The same lines as `lines`, the last one first; of a compressed file all are held at a time."""
    if segment.compression:
        yield from reversed(list(lines(segment)))
        return
    rest = b""
    end = segment.size
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        block = os.pread(segment.descriptor, end - start, start) + rest
        rest, *whole = block.split(b"\n") if start > 0 else [b"", *block.split(b"\n")]
        yield from filter(None, reversed(whole))
        end = start


def blocks(segment: Segment, start: int = 0) -> Iterator[bytearray]:
    """The content in pieces that end with a line's end, but for the last; a piece is good until the next is asked for.

    It is read up to the size that the file had when it was opened: what comes later is of another look.
    """
    with _content(segment, start) as file:
        left = segment.size - start if not segment.compression else -1
        carried = bytearray()
        buffer = bytearray(BLOCK_BYTES)
        while count := _read_into(file, buffer, left):
            left -= count if left > 0 else 0
            end = buffer.rfind(b"\n", 0, count) + 1
            if not end and len(carried) < MAX_LINE_BYTES:
                carried += buffer[:count]
                continue
            if carried:
                yield carried + buffer[:end]
            else:
                # Most blocks: nothing is copied but what is left over.
                yield buffer if end == len(buffer) else buffer[:end]
            carried = bytearray(buffer[end:count])
        if carried:
            yield carried


def _read_into(file: BinaryIO, buffer: bytearray, left: int) -> int:
    if left == 0:
        return 0
    room = memoryview(buffer)[: left if 0 < left < len(buffer) else len(buffer)]
    with suppress(EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile):
        return cast("io.RawIOBase", file).readinto(room) or 0
    return 0


def _content(segment: Segment, start: int) -> BinaryIO:
    """A file object of its own, so that several may read the segment at a time."""
    file = open(segment.open_path, "rb", buffering=0)  # noqa: PTH123, SIM115 - a raw file, which the caller closes
    if segment.compression:
        return _decompressors[segment.compression](file)
    file.seek(start)
    return cast("BinaryIO", file)


def _gzip(file: io.RawIOBase) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=io.BufferedReader(file, BLOCK_BYTES)))


def _bzip2(file: io.RawIOBase) -> BinaryIO:
    return cast("BinaryIO", bz2.BZ2File(io.BufferedReader(file, BLOCK_BYTES)))


def _xz(file: io.RawIOBase) -> BinaryIO:
    return cast("BinaryIO", lzma.LZMAFile(io.BufferedReader(file, BLOCK_BYTES)))


def _zstd(file: io.RawIOBase) -> BinaryIO:
    try:
        from backports import zstd  # noqa: PLC0415 - an optional package
    except ImportError:
        raise ReadingError(
            "Files that zstd compressed need backports.zstd: pip install -r requirements-reading.txt."
        ) from None
    return cast("BinaryIO", zstd.ZstdFile(io.BufferedReader(file, BLOCK_BYTES)))


_decompressors: dict[str, Callable[[io.RawIOBase], BinaryIO]] = {
    "gzip": _gzip,
    "bzip2": _bzip2,
    "xz": _xz,
    "zstd": _zstd,
}
