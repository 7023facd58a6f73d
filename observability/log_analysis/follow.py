"""`logs` without a subcommand: print the last lines, then new lines while they are written."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from observability.log_analysis.columns import Columns
from observability.log_analysis.duckdb_views import LogDatabase, open_database
from observability.log_analysis.formatting import format_record, record_date
from observability.log_analysis.lines import Record, parse_line, read_logs, to_json
from observability.log_analysis.log_files import Log, find_logs, main_logs
from observability.log_analysis.options import DEFAULT_LINES, LEVELS, Options, warn_of_broken_lines
from observability.log_analysis.tail import follow_logs, read_last_records
from observability.log_analysis.terminal import Output, escape_controls
from observability.log_analysis.times import TimeRange, parse_timestamp

# The number of records that DuckDB filters at a time.
BATCH = 2_000
WAIT_S = 0.5
# Names of levels in log files of other programs.
LEVEL_ALIASES = {"warn": "warning", "fatal": "critical", "trace": "debug"}


def follow(options: Options, output: Output) -> None:
    """Print the last lines that the options select, then new lines until Ctrl-C or the end of the time range."""
    if not options.no_follow:
        _wait_for_log(options, output)
    with options.open_logs(output) as logs:
        main = main_logs(logs)
        opening: AbstractContextManager[LogDatabase | None] = nullcontext()
        if options.where:
            opening = open_database(main, options.columns, TimeRange(), options.where)
        with opening as database:
            _follow(main, RecordFilter(options, database), options, output)


def _follow(logs: Sequence[Log], record_filter: "RecordFilter", options: Options, output: Output) -> None:
    printer = _RecordPrinter(options.columns, output, as_json=options.as_json)
    if options.line_count is None and options.time_range.since is not None:
        for log in logs:
            for batch in _batches(read_logs([log]), BATCH):
                printer.print(record_filter.select(batch))
    else:
        count = DEFAULT_LINES if options.line_count is None else options.line_count
        printer.print(read_last_records(logs, record_filter.select, count))
    warn_of_broken_lines(record_filter.broken_count, output)
    if options.no_follow:
        return
    for lines in follow_logs(logs, options.time_range.until):
        printer.print(record_filter.select(lines))
        sys.stdout.flush()


class RecordFilter:
    """Selects records by level, logger, time range and SQL condition. Counts broken lines."""

    def __init__(self, options: Options, database: LogDatabase | None) -> None:
        self._columns = options.columns
        self._time_range = options.time_range
        self._min_level = LEVELS.index(options.level) if options.level else 0
        self._logger = options.logger
        self._database = database
        self.broken_count = 0

    def select(self, lines: Sequence[bytes]) -> list[Record]:
        """Return the selected records of these lines. Mapped keys are renamed to the keys of this package."""
        raw = [parse_line(line, self._columns.time_key) for line in lines]
        self.broken_count += raw.count(None)
        pairs = [(record, self._columns.normalize(record)) for record in raw if record is not None]
        pairs = [pair for pair in pairs if self._matches(pair[1])]
        if self._database is not None and pairs:
            matches = self._database.match_records([record for record, _ in pairs])
            pairs = [pair for pair, is_match in zip(pairs, matches, strict=True) if is_match]
        return [record for _, record in pairs]

    def _matches(self, record: Record) -> bool:
        level = LEVEL_ALIASES.get(str(record.get("level")).lower(), str(record.get("level")).lower())
        if level in LEVELS and LEVELS.index(level) < self._min_level:
            return False
        logger = str(record.get("logger"))
        if self._logger and logger != self._logger and not logger.startswith(f"{self._logger}."):
            return False
        return self._time_range == TimeRange() or parse_timestamp(record.get("timestamp")) in self._time_range


class _RecordPrinter:
    """Prints records, and the date before the first record of each day."""

    def __init__(self, columns: Columns, output: Output, *, as_json: bool) -> None:
        self._columns = columns
        self._output = output
        self._as_json = as_json
        self._date = ""

    def print(self, records: Iterable[Record]) -> None:
        for record in records:
            if self._as_json:
                self._output.write(to_json(record))
                continue
            terminal = self._output.terminal
            if record_date(record) != self._date:
                self._date = record_date(record)
                self._output.write(terminal.style(escape_controls(f"{self._date} UTC"), "dim"))
            for line in format_record(record, self._columns, terminal):
                self._output.write(line)


def _wait_for_log(options: Options, output: Output) -> None:
    """Wait until a log exists: a new service has not written one yet."""
    is_reported = False
    while not any(path.exists() and (not path.is_dir() or find_logs([path])) for path in options.paths):
        if not is_reported:
            missing = [str(path) for path in options.paths if not path.exists()]
            state = f" ({', '.join(missing)} does not exist yet)" if missing else ""
            paths = ", ".join(map(str, options.paths))
            output.warn(f"Waiting for a log file in {paths}{state}. Press Ctrl-C to stop.")
            is_reported = True
        time.sleep(WAIT_S)


def _batches(lines: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
