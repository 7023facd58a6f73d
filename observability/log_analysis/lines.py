"""Read the JSON lines of a log file, and recover records from lines that a killed process damaged."""

import bz2
import gzip
import io
import json
import lzma
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import orjson

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.log_files import Log, LogFile

BLOCK_BYTES = 1 << 20
# A longer text without a line break is not a log line.
MAX_LINE_BYTES = 64 << 20

Record = dict[str, Any]

_decoder = json.JSONDecoder()


def parse_line(line: bytes, time_key: str = "timestamp") -> Record | None:
    """Return the record of a line, also if it comes after a fragment of another line; None without a record."""
    return _parse_strictly(line, time_key) or recover_record(line, time_key)


def recover_record(line: bytes, time_key: str = "timestamp") -> Record | None:
    """Return the record of a line that a strict JSON parser rejects; None for all other lines.

    Such a record comes after a fragment, NULs or a byte order mark, or it contains half a surrogate, NaN, or invalid
    UTF-8.
    """
    if _parse_strictly(line, time_key):
        return None
    text = line.decode("utf-8-sig", "replace").rstrip()
    begin = f'{{"{time_key}":'
    start = 0
    while start >= 0:
        with suppress(ValueError, RecursionError):
            value, end = _decoder.raw_decode(text, start)
            # An object inside the record, for example in a list, ends before the end of the line.
            if end == len(text) and _is_record(value, time_key):
                return cast("Record", value)
        start = text.find(begin, start + 1)
    return None


def _parse_strictly(line: bytes, time_key: str) -> Record | None:
    try:
        value = orjson.loads(line)
    except ValueError:
        return None
    return value if _is_record(value, time_key) else None


def _is_record(value: object, time_key: str) -> bool:
    return isinstance(value, dict) and value.get(time_key) is not None


def to_json(record: Record) -> str:
    """Return the record as one line of JSON. Half a surrogate, which other programs reject, becomes `?`."""
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace").decode()


def read_logs(logs: Iterable[Log]) -> Iterator[bytes]:
    """Yield all lines of several logs, log by log, oldest line first."""
    for log in logs:
        for file in log.files:
            yield from read_lines(file)


def read_lines(file: LogFile, start: int = 0) -> Iterator[bytes]:
    """Yield each line without its line break, including an unfinished last line. Empty lines are skipped.

    `start` is the position in bytes of the first byte to read; it is ignored for a compressed file. A damaged
    compressed file is read up to the damage.
    """
    for block in read_blocks(file, start):
        yield from filter(None, bytes(block).split(b"\n"))


def find_lines(file: LogFile, text: bytes) -> Iterator[bytes]:
    """Yield the lines that contain the text. Search whole blocks, which is much faster than line by line."""
    for block in read_blocks(file):
        found = block.find(text)
        while found >= 0:
            begin = block.rfind(b"\n", 0, found) + 1
            end = block.find(b"\n", found)
            end = len(block) if end < 0 else end
            yield bytes(block[begin:end])
            found = block.find(text, end)


def read_lines_backwards(file: LogFile) -> Iterator[bytes]:
    """Yield the same lines as `read_lines`, last line first. A compressed file is read into memory as a whole."""
    if file.compression:
        yield from reversed(list(read_lines(file)))
        return
    # Pieces of a line that begins in an earlier block, last piece first.
    rest: list[bytes] = []
    end = file.size
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        block = os.pread(file.descriptor, end - start, start)
        # If the file was truncated meanwhile, the beginning of this line is gone.
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


def read_blocks(file: LogFile, start: int = 0) -> Iterator[bytearray]:
    """Yield the content in blocks of whole lines; only the last block may end without a line break.

    A block is valid until the next one is requested: its buffer is reused. A plain file is read up to `file.size`.
    """
    with _open_content(file, start) as content:
        remaining = sys.maxsize if file.compression else max(0, file.size - start)
        carried = bytearray()
        buffer = bytearray(BLOCK_BYTES)
        count = len(buffer)
        while count == len(buffer):
            count = _fill(memoryview(buffer)[:remaining], content, file)
            remaining -= count
            end = buffer.rfind(b"\n", 0, count) + 1
            if not end and len(carried) < MAX_LINE_BYTES:
                carried += buffer[:count]
                continue
            if carried:
                yield carried + buffer[:end]
            else:
                # The usual case: only the part after the last whole line is copied.
                yield buffer if end == len(buffer) else buffer[:end]
            carried = bytearray(buffer[end:count])
        if carried:
            yield carried


def _fill(buffer: memoryview, content: io.BufferedIOBase | io.FileIO, file: LogFile) -> int:
    """Read until the buffer is full or the file ends. A damaged compressed file is read up to the damage."""
    count = 0
    try:
        # Read one piece at a time, so that the pieces before the damage are not lost.
        read = content.readinto if isinstance(content, io.FileIO) else content.readinto1
        while count < len(buffer) and (more := read(buffer[count:])):
            count += more
    except Exception:
        # Each compression module raises other exceptions.
        if not file.compression:
            raise
    return count


@contextmanager
def _open_content(file: LogFile, start: int) -> Iterator[io.BufferedIOBase | io.FileIO]:
    """Open the uncompressed content with a separate file position, so that several threads can read the file."""
    with open(file.open_path, "rb", buffering=0) as raw:  # noqa: PTH123 - Path.open is not typed as a raw file
        if not file.compression:
            raw.seek(start)
            yield raw
            return
        with io.BufferedReader(raw, BLOCK_BYTES) as packed, _decompressors[file.compression](packed) as content:
            yield content


def _zstd(file: io.BufferedIOBase) -> io.BufferedIOBase:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 - new in Python 3.14
        else:
            from backports import zstd  # noqa: PLC0415 - an optional package
    except ImportError:
        raise LogAnalysisError(
            "Python before 3.14 reads .zst files with the package backports-zstd, which is not installed. "
            "Install it: pip install backports-zstd"
        ) from None
    return zstd.ZstdFile(file)


_decompressors: "dict[str, Callable[[io.BufferedReader[io.FileIO]], io.BufferedIOBase]]" = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zstd": _zstd,
}
