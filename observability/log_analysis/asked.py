"""What somebody asked, as far as all questions have it in common, and where the answer goes."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from observability.log_analysis.columns import Columns, mappings
from observability.log_analysis.database import Database, Row, connected
from observability.log_analysis.lines import parsed
from observability.log_analysis.mistake import ReadingError
from observability.log_analysis.names import log_paths
from observability.log_analysis.numbers import items
from observability.log_analysis.snapshot import Log, opened
from observability.log_analysis.tail import all_lines
from observability.log_analysis.terminal import Terminal
from observability.log_analysis.times import Span, moment, rfc_3339

Options = Mapping[str, Any]
Write = Callable[[str], object]
# How many lines of a file tell whether it is a log.
LOOKED_AT = 1_000


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
            say_broken(database.sources.broken_count, output)


def _is_log(log: Log, columns: Columns) -> bool:
    """Whether the first record among its lines has what a log line has; a directory may hold other files of JSON."""
    if not any(segment.size for segment in log.segments):
        return True
    some = islice(all_lines([log]), LOOKED_AT)
    record = next(filter(None, (parsed(line, columns.time_key) for line in some)), None)
    key = columns.mapped["event"].path[0] if "event" in columns.mapped else "event"
    return record is not None and (bool(columns.mapped) or key in record)


def say_broken(count: int, output: Output) -> None:
    if count:
        output.say(f"{items(count, 'broken line')} left out.")


def json_of(row: Row) -> str:
    """A row as JSON: times are UTC, what is no number is null, and what JSON does not have is text."""
    return json.dumps({name: _plain(value) for name, value in row.items()}, default=str)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc_3339(value if value.tzinfo else value.replace(tzinfo=UTC))
    return None if isinstance(value, float) and not math.isfinite(value) else value
