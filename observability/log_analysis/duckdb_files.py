"""Prepare log files for DuckDB: unpack files that DuckDB cannot unpack, recover lines that it cannot parse."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from observability.log_analysis.columns import FILE, Columns, quote_name, quote_text
from observability.log_analysis.lines import Record, read_blocks, read_lines, recover_record, to_json
from observability.log_analysis.log_files import Log, LogFile

# DuckDB's names of the compressions that it can read.
DUCKDB_COMPRESSIONS = {"": "uncompressed", "gzip": "gzip", "zstd": "zstd"}
UNCOMPRESSED = DUCKDB_COMPRESSIONS[""]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

FetchRows = Callable[[str], list[tuple[object, ...]]]


class DuckDBFiles:
    """The files of some logs, and the SQL that reads columns from them. Temporary files are in `directory`.

    Created once per command and used by one thread. A row without a time is a broken line. `recover_lines` counts these
    rows (`broken_count`) and recovers records from them. Later SELECTs of the same file include the recovered records.
    """

    def __init__(self, logs: Sequence[Log], columns: Columns, directory: Path) -> None:
        self.columns = columns
        self.directory = directory
        self.broken_count = 0
        # A sentence for each file that was not read to its end.
        self.problems: list[str] = []
        self._files = [file for log in logs for file in log.files]
        # The keys are file descriptors.
        self._unpacked: dict[int, Path] = {}
        self._recovered: dict[int, Path] = {}
        self._searched: set[int] = set()

    def select(self, names: Iterable[str], files: Sequence[LogFile]) -> str:
        """Return a SELECT of these columns and FILE from log files, including the records recovered from them."""
        paths: dict[str, list[Path]] = {}
        for file in files:
            path, compression = self._duckdb_path(file)
            paths.setdefault(compression, []).append(path)
            if file.descriptor in self._recovered:
                paths.setdefault(UNCOMPRESSED, []).append(self._recovered[file.descriptor])
        return select_columns(self.columns, names, paths)

    def has_recovered(self, files: Sequence[LogFile]) -> bool:
        return any(file.descriptor in self._recovered for file in files)

    def unpack_damaged(self, message: str) -> bool:
        """Unpack the damaged files that a DuckDB error names, up to the damage. Return whether it names any."""
        damaged = [file for file in self._files if self._is_named_in(file, message)]
        for file in damaged:
            self.problems.append(f"{file.path} is damaged: the result has only the lines before the damage.")
            self._unpack(file)
        return bool(damaged)

    def recover_lines(self, broken: Iterable[tuple[str, int]], fetch_rows: FetchRows) -> None:
        """Count the lines that DuckDB could not read, and recover records that come after a fragment of another line.

        `broken` has, for each FILE with broken lines, the number of its rows without a time. `fetch_rows` runs a SELECT
        and returns its rows in the order of the lines.
        """
        by_path = {str(self._duckdb_path(file)[0]): file for file in self._files if file.size}
        for path, count in broken:
            file = by_path.get(path)
            if file is None or file.descriptor in self._searched:
                continue
            self._searched.add(file.descriptor)
            recovered = self._find_recoverable(file, fetch_rows)
            # The fragment before a recovered record is lost.
            self.broken_count += count - sum(_is_single_record(line) for line, _ in recovered)
            if recovered:
                target = self.directory / f"{file.descriptor}-recovered.jsonl"
                target.write_text("".join(f"{to_json(record)}\n" for _, record in recovered))
                self._recovered[file.descriptor] = target

    def _find_recoverable(self, file: LogFile, fetch_rows: FetchRows) -> list[tuple[bytes, Record]]:
        """Return the lines that DuckDB cannot read but that contain a record, each with its record."""
        candidates = []
        for number, line in enumerate(read_lines(file)):
            # DuckDB skips a byte order mark at the beginning of a file.
            record = recover_record(line if number else line.removeprefix(BYTE_ORDER_MARK), self.columns.time_key)
            if record is not None:
                candidates.append((line, record))
        if not candidates:
            return []
        path = self.directory / f"{file.descriptor}-candidates.jsonl"
        path.write_bytes(b"".join(b"\n" + line for line, _ in candidates))
        # DuckDB reads some lines that our parser rejects, for example with NaN.
        times = fetch_rows(select_columns(self.columns, ["time"], {UNCOMPRESSED: [path]}))
        path.unlink()
        return [candidate for candidate, (time, *_) in zip(candidates, times, strict=True) if time is None]

    def _is_named_in(self, file: LogFile, message: str) -> bool:
        is_packed = file.compression and file.descriptor not in self._unpacked
        return bool(is_packed and re.search(rf"{re.escape(str(file.open_path))}(?!\d)", message))

    def _duckdb_path(self, file: LogFile) -> tuple[Path, str]:
        """Return the path that DuckDB reads for a log file, and DuckDB's name of its compression."""
        if file.descriptor not in self._unpacked:
            if file.compression in DUCKDB_COMPRESSIONS:
                return file.open_path, DUCKDB_COMPRESSIONS[file.compression]
            self._unpack(file)
        return self._unpacked[file.descriptor], UNCOMPRESSED

    def _unpack(self, file: LogFile) -> None:
        path = self.directory / f"{file.descriptor}.jsonl"
        with path.open("wb") as target:
            for block in read_blocks(file):
                target.write(block)
        self._unpacked[file.descriptor] = path


def select_columns(
    columns: Columns, names: Iterable[str], paths: dict[str, list[Path]], extra_types: dict[str, str] | None = None
) -> str:
    """Return a SELECT of columns from files.

    `paths` has the files by DuckDB's name of their compression. `extra_types` has the types of keys without a column.
    """
    names = list(dict.fromkeys(names))
    key_types = columns.key_types(names) | (extra_types or {})
    types = ", ".join(f"{quote_text(key)}: {quote_text(kind)}" for key, kind in key_types.items())
    reads = [
        f"select * from read_json([{', '.join(quote_text(str(path)) for path in some)}], columns = {{{types}}}, "
        f"compression = {quote_text(compression)}, format = 'newline_delimited', records = 'true', "
        f"ignore_errors = true, filename = {quote_text(FILE)})"
        for compression, some in paths.items()
    ]
    if not reads:
        empty = ", ".join(f"null::{kind} as {quote_name(key)}" for key, kind in key_types.items())
        reads = [f"select {empty}, null::VARCHAR as {quote_name(FILE)} where false"]
    selected = [f"{columns.sql_expression(name)} as {quote_name(name)}" for name in names]
    selected += map(quote_name, [*(extra_types or ()), FILE])
    return f"select {', '.join(selected)} from ({' union all '.join(reads)})"


def _is_single_record(line: bytes) -> bool:
    """Return whether a line is a single record, possibly with half a surrogate, invalid UTF-8 or surrounding NULs."""
    try:
        return isinstance(json.loads(line.decode("utf-8-sig", "replace").strip("\0")), dict)
    except (ValueError, RecursionError):
        return False
