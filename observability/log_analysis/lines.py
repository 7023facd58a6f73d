"""The lines of one file of a log, whole and in order, whatever a kill left of others."""

import bz2
import gzip
import io
import json
import lzma
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import orjson

from observability.log_analysis.mistake import ReadingError
from observability.log_analysis.segments import Segment

BLOCK_BYTES = 1 << 20
# What has no end of line by then is no line of a log.
MAX_LINE_BYTES = 64 << 20

Record = dict[str, Any]

_decoder = json.JSONDecoder()


def parsed(line: bytes, time_key: str = "timestamp") -> Record | None:
    """The record of a line; of a torn one with a whole line right behind it the latter; None where there is none."""
    return _strictly(line, time_key) or unread(line, time_key)


def unread(line: bytes, time_key: str = "timestamp") -> Record | None:
    """The record in a line that a strict parser of JSON reads none in.

    It stands behind a fragment, NULs or a byte order mark, or has half a surrogate, NaN, or bytes that are no UTF-8.
    """
    if _strictly(line, time_key):
        return None
    text = line.decode("utf-8-sig", "replace").rstrip()
    begin = f'{{"{time_key}":'
    start = 0
    while start >= 0:
        with suppress(ValueError, RecursionError):
            value, end = _decoder.raw_decode(text, start)
            # What begins within a line, such as an object in a list, does not end with it.
            if end == len(text) and _is_record(value, time_key):
                return cast("Record", value)
        start = text.find(begin, start + 1)
    return None


def _strictly(line: bytes, time_key: str) -> Record | None:
    try:
        value = orjson.loads(line)
    except ValueError:
        return None
    return value if _is_record(value, time_key) else None


def _is_record(value: object, time_key: str) -> bool:
    return isinstance(value, dict) and value.get(time_key) is not None


def lines(segment: Segment, start: int = 0) -> Iterator[bytes]:
    """Each line that has an end, and what follows the last one, without their ends; empty ones are left out.

    `start` is where to begin, in bytes, of a file that is not compressed. What is damaged in a compressed file ends it.
    """
    for block in blocks(segment, start):
        yield from filter(None, bytes(block).split(b"\n"))


def dumped(record: Record) -> str:
    """The JSON of a record on one line, for strict parsers and any stream: half a surrogate becomes a question mark."""
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace").decode()


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
    # The end of a line whose beginning is further to the front, in pieces, the last one first.
    rest: list[bytes] = []
    end = segment.size
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        block = os.pread(segment.descriptor, end - start, start)
        # What was emptied meanwhile has nothing that this would be the end of.
        rest = [*rest, block] if len(block) == end - start else [block]
        end = start
        if start > 0 and b"\n" not in block and sum(map(len, rest)) < MAX_LINE_BYTES:
            continue
        first, *others = b"".join(reversed(rest)).split(b"\n")
        yield from filter(None, reversed(others))
        rest = [first]
        if start == 0 or len(first) >= MAX_LINE_BYTES:
            yield from filter(None, rest)
            rest = []


def blocks(segment: Segment, start: int = 0) -> Iterator[bytearray]:
    """The content in pieces that end with a line's end, but for the last; a piece is good until the next is asked for.

    It is read up to the size that the file had when it was opened: what comes later is of another look.
    """
    with _content(segment, start) as file:
        left = sys.maxsize if segment.compression else max(0, segment.size - start)
        carried = bytearray()
        buffer = bytearray(BLOCK_BYTES)
        count = len(buffer)
        while count == len(buffer):
            count = _fill(memoryview(buffer)[:left], file, segment)
            left -= count
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


def _fill(room: memoryview, file: io.BufferedIOBase | io.FileIO, segment: Segment) -> int:
    """Read until the room is full or the file at its end; what follows damage in a compressed file is not there."""
    count = 0
    try:
        # One piece at a time: what was unpacked before the damage is not thrown away with it.
        read = file.readinto if isinstance(file, io.FileIO) else file.readinto1
        while count < len(room) and (more := read(room[count:])):
            count += more
    except Exception:
        # Each format has errors of its own.
        if not segment.compression:
            raise
    return count


@contextmanager
def _content(segment: Segment, start: int) -> Iterator[io.BufferedIOBase | io.FileIO]:
    """A file object of its own, so that several may read the segment at a time."""
    with open(segment.open_path, "rb", buffering=0) as file:  # noqa: PTH123 - a path cannot say that it is a raw file
        if not segment.compression:
            file.seek(start)
            yield file
            return
        with io.BufferedReader(file, BLOCK_BYTES) as packed, _decompressors[segment.compression](packed) as unpacked:
            yield unpacked


def _zstd(file: io.BufferedIOBase) -> io.BufferedIOBase:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 - not everywhere
        else:
            from backports import zstd  # noqa: PLC0415 - an optional package
    except ImportError:
        raise ReadingError(
            "Files that zstd compressed need backports.zstd: install requirements-reading.txt, or that alone."
        ) from None
    return zstd.ZstdFile(file)


_decompressors: "dict[str, Callable[[io.BufferedReader[io.FileIO]], io.BufferedIOBase]]" = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zstd": _zstd,
}
