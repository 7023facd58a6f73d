"""The files of logs as DuckDB reads them: also those that it cannot read, and the lines that a kill glued together."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from observability.log_analysis.columns import FILE, Columns, literal, quoted
from observability.log_analysis.lines import Record, blocks, dumped, lines, unread
from observability.log_analysis.segments import Segment
from observability.log_analysis.snapshot import Log

DUCKDB_READS = {"": "uncompressed", "gzip": "gzip", "zstd": "zstd"}
PLAIN = DUCKDB_READS[""]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Sources:
    """Some logs, and the SQL that reads columns of them. What it has to write lies in `directory`, which is temporary.

    Made once for a command, and used by one thread. A row without a time is a line that is broken. `mend` counts them
    (`broken_count`), and what it recovers of them is read along with its segment from then on.
    """

    def __init__(self, logs: Sequence[Log], columns: Columns, directory: Path) -> None:
        self.columns = columns
        self.directory = directory
        self.broken_count = 0
        # Sentences about files that were not read to their end.
        self.problems: list[str] = []
        self._segments = [segment for log in logs for segment in log.segments]
        # By descriptor.
        self._unpacked: dict[int, Path] = {}
        self._recovered: dict[int, Path] = {}
        self._mended: set[int] = set()

    def select(self, names: Iterable[str], segments: Sequence[Segment]) -> str:
        """A SELECT of these columns, and of FILE, from segments, with what was recovered of them."""
        files: dict[str, list[Path]] = {}
        for segment in segments:
            path, compression = self._file(segment)
            files.setdefault(compression, []).append(path)
            if segment.descriptor in self._recovered:
                files.setdefault(PLAIN, []).append(self._recovered[segment.descriptor])
        return select(self.columns, names, files)

    def has_recovered(self, segments: Sequence[Segment]) -> bool:
        return any(segment.descriptor in self._recovered for segment in segments)

    def undamaged(self, execute: Callable[[], object]) -> None:
        """Execute what reads files; of a compressed one whose end is missing, what there is."""
        import duckdb  # noqa: PLC0415 - an optional package

        while True:
            try:
                execute()
            except duckdb.IOException as error:
                damaged = [segment for segment in self._segments if self._is_named(segment, str(error))]
                if not damaged:
                    raise
                for segment in damaged:
                    self.problems.append(f"{segment.path} is damaged, and was read up to there.")
                    self._unpack(segment)
            else:
                return

    def mend(self, broken: Iterable[tuple[str, int]], rows: Callable[[str], list[tuple[object, ...]]]) -> None:
        """Count the lines that DuckDB could not read, and recover those that stand right behind a part of another.

        `broken` has the FILE of the rows without a time, and how many it has; `rows` answers a SELECT in the order of
        the lines.
        """
        by_path = {str(self._file(segment)[0]): segment for segment in self._segments if segment.size}
        for path, count in broken:
            segment = by_path.get(path)
            if segment is None or segment.descriptor in self._mended:
                continue
            self._mended.add(segment.descriptor)
            found = self._recoverable(segment, rows)
            # What stands before a line that is recovered is lost.
            self.broken_count += count - sum(_is_whole(line) for line, _ in found)
            if found:
                recovered = self.directory / f"{segment.descriptor}-recovered.jsonl"
                recovered.write_text("".join(f"{dumped(record)}\n" for _, record in found))
                self._recovered[segment.descriptor] = recovered

    def _recoverable(
        self, segment: Segment, rows: Callable[[str], list[tuple[object, ...]]]
    ) -> list[tuple[bytes, Record]]:
        """The lines that DuckDB cannot read and that have a record, with it."""
        found = []
        for number, line in enumerate(lines(segment)):
            # DuckDB passes over a byte order mark where a file begins.
            record = unread(line if number else line.removeprefix(BYTE_ORDER_MARK), self.columns.time_key)
            if record is not None:
                found.append((line, record))
        candidates = self.directory / f"{segment.descriptor}-candidates.jsonl"
        candidates.write_bytes(b"".join(b"\n" + line for line, _ in found))
        # Of what our parser does not take DuckDB reads some, such as NaN.
        times = rows(select(self.columns, ["time"], {PLAIN: [candidates]})) if found else []
        candidates.unlink()
        return [pair for pair, (time, *_) in zip(found, times, strict=True) if time is None]

    def _is_named(self, segment: Segment, message: str) -> bool:
        is_read = segment.compression and segment.descriptor not in self._unpacked
        return bool(is_read and re.search(rf"{re.escape(str(segment.open_path))}(?!\d)", message))

    def _file(self, segment: Segment) -> tuple[Path, str]:
        """The file that DuckDB reads for a segment, and how it is compressed."""
        if segment.descriptor not in self._unpacked:
            if segment.compression in DUCKDB_READS:
                return segment.open_path, DUCKDB_READS[segment.compression]
            self._unpack(segment)
        return self._unpacked[segment.descriptor], PLAIN

    def _unpack(self, segment: Segment) -> None:
        path = self.directory / f"{segment.descriptor}.jsonl"
        with path.open("wb") as file:
            for block in blocks(segment):
                file.write(block)
        self._unpacked[segment.descriptor] = path


def select(
    columns: Columns, names: Iterable[str], files: dict[str, list[Path]], further: dict[str, str] | None = None
) -> str:
    """A SELECT from files by compression, empty where there is none; `further` keys are read as they are, by type."""
    names = list(dict.fromkeys(names))
    declared = columns.declared(names) | (further or {})
    types = ", ".join(f"{literal(key)}: {literal(kind)}" for key, kind in declared.items())
    reads = [
        f"select * from read_json([{', '.join(literal(str(path)) for path in paths)}], columns = {{{types}}}, "
        f"compression = {literal(compression)}, format = 'newline_delimited', records = 'true', "
        f"ignore_errors = true, filename = {literal(FILE)})"
        for compression, paths in files.items()
    ]
    if not reads:
        empty = ", ".join(f"null::{kind} as {quoted(key)}" for key, kind in declared.items())
        reads = [f"select {empty}, null::VARCHAR as {quoted(FILE)} where false"]
    shown = [f"{columns.expression(name)} as {quoted(name)}" for name in names]
    shown += map(quoted, [*(further or ()), FILE])
    return f"select {', '.join(shown)} from ({' union all '.join(reads)})"


def _is_whole(line: bytes) -> bool:
    """Whether nothing but a record stands in a line, with half a surrogate, bytes that are no UTF-8 or NULs."""
    try:
        return isinstance(json.loads(line.decode("utf-8-sig", "replace").strip("\0")), dict)
    except (ValueError, RecursionError):
        return False
