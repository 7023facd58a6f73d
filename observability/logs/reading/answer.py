"""Answering `logs`: from the arguments to what is written on the terminal."""

import csv
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from observability.logs.reading import request, retention
from observability.logs.reading.arguments import DEFAULT_LINES, LEVELS
from observability.logs.reading.columns import VIEWS, Columns, mappings
from observability.logs.reading.database import Database, Row, connected
from observability.logs.reading.follow import added, all_lines, newest
from observability.logs.reading.lines import Record, parsed
from observability.logs.reading.mistake import ReadingError
from observability.logs.reading.numbers import items, size
from observability.logs.reading.record_line import record_lines
from observability.logs.reading.reports.errors import errors
from observability.logs.reading.reports.report import Report
from observability.logs.reading.reports.routes import routes
from observability.logs.reading.reports.slow import slow
from observability.logs.reading.reports.statements import statements
from observability.logs.reading.reports.users import users
from observability.logs.reading.segments import Log, log_paths, main_logs, opened
from observability.logs.reading.table import Field, fits, table
from observability.logs.reading.terminal import Terminal
from observability.logs.reading.times import Span, duration, moment, time_of

Options = Mapping[str, Any]
Write = Callable[[str], object]
DEFAULT_ROWS = 100
# How many lines are asked of DuckDB at a time while a log is followed.
BATCH = 2_000
WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Output:
    """Where the answer goes, a line at a time, and what is said beside it."""

    write: Write
    say: Write
    terminal: Terminal


@dataclass(frozen=True, slots=True)
class Asked:
    """What all questions have in common: which logs, how their keys are called, of when, and which lines."""

    places: tuple[Path, ...]
    columns: Columns
    span: Span
    where: str

    @classmethod
    def of(cls, options: Options, default_places: Sequence[Path]) -> "Asked":
        since, until = (
            moment(options[name], f"--{name}") if options.get(name) else None for name in ("since", "until")
        )
        return cls(
            tuple(options.get("places") or default_places),
            Columns(mappings(options.get("columns") or ())),
            Span(since, until),
            options.get("where") or "",
        )

    @contextmanager
    def logs(self, output: Output) -> Iterator[list[Log]]:
        """The logs, their files open. Raises ReadingError where there is none."""
        since = self.span.since.timestamp() if self.span.since else None
        with opened(log_paths(self.places), modified_since=since) as (logs, problems):
            for problem in problems:
                output.say(problem)
            named = [log for log in logs if log.path in self.places or _is_log(log, self.columns)]
            if not named:
                raise ReadingError(f"There is no log of JSON lines in {', '.join(map(str, self.places))}.")
            yield named

    @contextmanager
    def database(self, output: Output) -> Iterator[Database]:
        with self.logs(output) as logs, connected(logs, self.columns, self.span, self.where) as database:
            yield database
            for problem in database.sources.problems:
                output.say(problem)
            _say_broken(database.sources.broken_count, output)


def _is_log(log: Log, columns: Columns) -> bool:
    """Whether the first line that is a record has what a log line has; a directory may hold other files of JSON."""
    key = columns.mapped["event"].path[0] if "event" in columns.mapped else "event"
    record = next(filter(None, (parsed(line, columns.time_key) for line in all_lines([log]))), None)
    return (record is None and any(segment.size for segment in log.segments) is False) or (
        record is not None and (bool(columns.mapped) or key in record)
    )


def _say_broken(count: int, output: Output) -> None:
    if count:
        output.say(f"{items(count, 'broken line')} left out.")


def answer(options: Options, output: Output, default_places: Sequence[Path]) -> None:
    """Answer what was asked. Raises ReadingError for what cannot be answered."""
    question = options.get("question")
    if question == "prune":
        prune(options, output, default_places)
        return
    asked = Asked.of(options, default_places)
    if question is None:
        follow(asked, options, output)
    elif question == "request":
        one_request(asked, options, output)
    elif question == "sql":
        sql(asked, options, output)
    else:
        with asked.database(output) as database:
            show(_report(question, database, options, output), options, output)


def _report(question: str, database: Database, options: Options, output: Output) -> Report:
    by, limit = options["by"], options["limit"]
    if question == "top":
        per = options.get("per") or ("method", "route")
        return routes(database, output.terminal, by=by, limit=limit, per=per)
    reports = {"slow": slow, "errors": errors, "statements": statements, "users": users}
    return reports[question](database, output.terminal, by=by, limit=limit)


def show(report: Report, options: Options, output: Output) -> None:
    """A report as a text, or as an object for each row."""
    if options.get("json"):
        for row in report.rows:
            output.write(json.dumps(row, default=_plain))
        return
    output.write(report.summary)
    if report.lines:
        output.write("")
    for line in report.lines:
        output.write(line)
    if report.more:
        output.write(f"… and {report.more:,} more: --limit 0 shows all.")


def _plain(value: object) -> object:
    """What JSON does not have: times are UTC."""
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else str(value)


# One request


def one_request(asked: Asked, options: Options, output: Output) -> None:
    with asked.logs(output) as logs:
        works = request.find(logs, asked.columns, asked.span, options["id"])
    if not works:
        raise ReadingError(
            f"No line has the id {options['id']!r}: its lines are deleted, not written yet, or of another machine."
        )
    for number, records in enumerate(works):
        if options.get("json"):
            for record in records:
                output.write(json.dumps(record, ensure_ascii=False))
            continue
        if number:
            output.write("")
        for line in request.told(records, asked.columns, output.terminal):
            output.write(line)


# SQL


def sql(asked: Asked, options: Options, output: Output) -> None:
    """Ask a question in SQL; without one, tell of what."""
    if not options.get("sql"):
        output.write("\n".join(_columns(output.terminal)))
        return
    with asked.database(output) as database:
        path: Path | None = options.get("parquet")
        if path is not None:
            count = database.write_parquet(options["sql"], path)
            output.say(f"{path}: {items(count, 'row')}.")
            return
        cursor = database.ask(options["sql"])
        names = [each[0] for each in cursor.description or ()]
        if options.get("json"):
            for row in _rows(cursor):
                output.write(json.dumps(dict(zip(names, row, strict=True)), default=_plain))
        elif options.get("csv"):
            writer = csv.writer(_Lines(output.write))
            writer.writerow(names)
            writer.writerows(_rows(cursor))
        else:
            _show_table(names, cursor, options.get("limit"), output)


class _Lines:
    """A file for `csv`, which writes whole lines."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def write(self, text: str) -> None:
        self._write(text.removesuffix("\r\n"))


def _rows(cursor: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - DuckDB's connection
    while some := cursor.fetchmany(BATCH):
        yield from some


def _show_table(names: Sequence[str], cursor: Any, limit: int | None, output: Output) -> None:  # noqa: ANN401
    """The first rows; each as a list of its values where they are too many to stand in a line."""
    most = DEFAULT_ROWS if limit is None else limit
    found = cursor.fetchmany(most + 1) if most else cursor.fetchall()
    rows: list[dict[Any, Any]] = [dict(enumerate(map(_cell, row))) for row in (found[:most] if most else found)]
    fields = [
        Field(name, itemgetter(place), is_text=any(isinstance(row[place], str) for row in found))
        for place, name in enumerate(names)
    ]
    if not rows:
        output.write("No rows.")
    elif fits(rows, fields, output.terminal):
        for line in table(rows, fields, output.terminal):
            output.write(line)
    else:
        for row in rows:
            values = [{"name": name, "value": row[place]} for place, name in enumerate(names) if row[place]]
            _, *lines = table(
                values,
                [Field("", itemgetter("name"), is_text=True), Field("", itemgetter("value"), is_text=True)],
                output.terminal,
            )
            for line in [*lines, ""]:
                output.write(line)
    if len(found) > len(rows):
        output.write("… and more: --limit 0 shows all, --csv and --json write all.")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _columns(terminal: Terminal) -> Iterator[str]:
    for view, columns in VIEWS.items():
        yield terminal.styled(view, "bold")
        rows: list[Row] = [column._asdict() for column in columns]
        fields = [
            Field("column", lambda row: f"  {row['name']}", is_text=True),
            Field("type", lambda row: row["type"].lower(), is_text=True),
            Field("key of a line", lambda row: row["key"], is_text=True),
            Field("", lambda row: row["help"], importance=1, is_text=True),
        ]
        yield from table(rows, fields, terminal)
        yield ""
    yield 'A further key of the lines is a column of its own name: "tenant" or "log.file.path".'


# Following


class Lines:
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


ALIASES = {"warn": "warning", "fatal": "critical", "trace": "debug"}


def follow(asked: Asked, options: Options, output: Output) -> None:
    """The last lines, and those that are added until somebody ends it."""
    if not options.get("no_follow"):
        _wait_for_log(asked, output)
    with asked.logs(output) as logs:
        main = main_logs(logs)
        if asked.where:
            with connected(main, asked.columns, Span(), asked.where) as database:
                _follow(main, Lines(asked, options, database), asked, options, output)
        else:
            _follow(main, Lines(asked, options, None), asked, options, output)


def _follow(main: Sequence[Log], wanted: Lines, asked: Asked, options: Options, output: Output) -> None:
    def show_all(records: Iterable[Record]) -> None:
        for record in records:
            if options.get("json"):
                output.write(json.dumps(record, ensure_ascii=False))
                continue
            for line in record_lines(record, asked.columns, output.terminal):
                output.write(line)

    count = options.get("lines")
    if count is None and asked.span.since is not None:
        for log in main:
            for batch in batched(all_lines([log]), BATCH):
                show_all(wanted.of(batch))
    else:
        show_all(newest(main, wanted.of, DEFAULT_LINES if count is None else count))
    _say_broken(wanted.broken_count, output)
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


# Deleting


def prune(options: Options, output: Output, default_places: Sequence[Path]) -> None:
    """Delete the oldest rotated files, and say which."""
    keep = duration(options["keep"], "--keep") if options.get("keep") else None
    max_bytes = options.get("max_size")
    if keep is None and max_bytes is None:
        raise ReadingError("Say how much is to be kept: --keep 30d, --max-size 5GB, or both.")
    asked = Asked(tuple(options.get("places") or default_places), Columns(), Span(), "")
    is_trial = bool(options.get("dry_run"))
    failed = False
    with asked.logs(output) as logs:
        total = sum(segment.size for log in logs for segment in log.segments)
        for each in retention.doomed(logs, keep=keep, max_bytes=max_bytes, now=datetime.now(UTC)):
            what = f"{each.segment.path} ({size(each.segment.size)}, until {each.until:%Y-%m-%d %H:%M} UTC)"
            try:
                is_gone = is_trial or retention.delete(each)
            except OSError as error:
                failed = True
                output.say(f"{what} was not deleted: {error.strerror or error}.")
                continue
            if is_gone:
                total -= each.segment.size
                output.write(f"{'would delete' if is_trial else 'deleted'} {what}")
        output.write(f"{size(total)} {'would be' if is_trial else 'are'} kept in {items(len(logs), 'log')}.")
    if failed:
        raise ReadingError("Not all could be deleted.")
    _ = os


def batched(lines: Iterable[bytes], size_: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) >= size_:
            yield batch
            batch = []
    if batch:
        yield batch
