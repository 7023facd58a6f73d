"""The last lines of the logs, and those that are added, as far as somebody wants to see them."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from observability.log_analysis.arguments import DEFAULT_LINES, LEVELS
from observability.log_analysis.asked import Asked, Options, Output, say_broken
from observability.log_analysis.database import Database, connected
from observability.log_analysis.lines import Record, dumped, parsed
from observability.log_analysis.names import log_paths
from observability.log_analysis.record_line import date_of, record_lines
from observability.log_analysis.snapshot import Log, main_logs
from observability.log_analysis.tail import added, all_lines, newest
from observability.log_analysis.terminal import harmless
from observability.log_analysis.times import Span, time_of

# How many lines are asked of DuckDB at a time.
BATCH = 2_000
WAIT_S = 0.5
# What others call our levels.
ALIASES = {"warn": "warning", "fatal": "critical", "trace": "debug"}


class Wanted:
    """The lines that somebody wants to see, of those that there are; counts those that are broken."""

    def __init__(self, asked: Asked, options: Options, database: Database | None) -> None:
        self._asked = asked
        self._least = LEVELS.index(options["level"]) if options.get("level") else 0
        self._logger = options.get("logger")
        self._database = database
        self.broken_count = 0

    def of(self, lines: Sequence[bytes]) -> list[Record]:
        """The records of these lines that are wanted."""
        columns = self._asked.columns
        raw = [parsed(line, columns.time_key) for line in lines]
        self.broken_count += raw.count(None)
        pairs = [(record, columns.normalised(record)) for record in raw if record is not None]
        pairs = [pair for pair in pairs if self._is_wanted(pair[1])]
        if self._database is not None and pairs:
            kept = self._database.matching([record for record, _ in pairs])
            pairs = [pair for pair, is_kept in zip(pairs, kept, strict=True) if is_kept]
        return [record for _, record in pairs]

    def _is_wanted(self, record: Record) -> bool:
        level = ALIASES.get(str(record.get("level")).lower(), str(record.get("level")).lower())
        if level in LEVELS and LEVELS.index(level) < self._least:
            return False
        logger = str(record.get("logger"))
        if self._logger and logger != self._logger and not logger.startswith(f"{self._logger}."):
            return False
        span = self._asked.span
        return span == Span() or time_of(record.get("timestamp")) in span


def follow(asked: Asked, options: Options, output: Output) -> None:
    """The last lines, and those that are added until somebody ends it."""
    if not options.get("no_follow"):
        _wait_for_log(asked, output)
    with asked.logs(output) as logs:
        main = main_logs(logs)
        if asked.where:
            with connected(main, asked.columns, Span(), asked.where) as database:
                _follow(main, Wanted(asked, options, database), asked, options, output)
        else:
            _follow(main, Wanted(asked, options, None), asked, options, output)


class _Screen:
    """Shows records, each day under its date."""

    def __init__(self, asked: Asked, options: Options, output: Output) -> None:
        self._columns = asked.columns
        self._is_json = bool(options.get("json"))
        self._output = output
        self._day = ""

    def show(self, records: Iterable[Record]) -> None:
        for record in records:
            if self._is_json:
                self._output.write(dumped(record))
                continue
            terminal = self._output.terminal
            if date_of(record) != self._day:
                self._day = date_of(record)
                self._output.write(terminal.styled(harmless(f"{self._day} UTC"), "dim"))
            for line in record_lines(record, self._columns, terminal):
                self._output.write(line)


def _follow(main: Sequence[Log], wanted: Wanted, asked: Asked, options: Options, output: Output) -> None:
    show_all = _Screen(asked, options, output).show
    count = options.get("lines")
    if count is None and asked.span.since is not None:
        for log in main:
            for batch in _batched(all_lines([log]), BATCH):
                show_all(wanted.of(batch))
    else:
        show_all(newest(main, wanted.of, DEFAULT_LINES if count is None else count))
    say_broken(wanted.broken_count, output)
    if options.get("no_follow"):
        return
    for lines in added(main, asked.span.until):
        show_all(wanted.of(lines))
        sys.stdout.flush()


def _wait_for_log(asked: Asked, output: Output) -> None:
    """Wait until there is a log: a service that was just installed has none."""
    told = False
    while True:
        if any(place.exists() and (not place.is_dir() or log_paths([place])) for place in asked.places):
            return
        if not told:
            output.say(f"Waiting for a log in {', '.join(map(str, asked.places))}; Ctrl-C ends it.")
            told = True
        time.sleep(WAIT_S)


def _batched(lines: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
