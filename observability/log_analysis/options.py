"""The options of `logs`, typed, and the logs that they select."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.columns import Columns, parse_mappings
from observability.log_analysis.duckdb_views import LogDatabase, open_database
from observability.log_analysis.lines import parse_line, read_logs
from observability.log_analysis.log_files import Log, find_logs
from observability.log_analysis.snapshot import open_logs
from observability.log_analysis.terminal import Output
from observability.log_analysis.times import TimeRange, parse_duration, parse_time
from observability.text import format_count

LEVELS = ("debug", "info", "warning", "error", "critical")
DEFAULT_LINES = 20
DEFAULT_ROWS = 20
# The number of lines that are read to find out whether a file is a log.
SAMPLE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The parsed arguments. Each field has the name (`dest`) of its argument in `cli.py`.

    `subcommand` is None if logs are followed. `paths`, `columns`, `time_range` and `where` select lines for all
    subcommands except `prune`, which deletes whole files.
    """

    subcommand: str | None = None
    paths: tuple[Path, ...]
    columns: Columns
    time_range: TimeRange
    where: str = ""
    as_json: bool = False
    # Following.
    level: str | None = None
    logger: str | None = None
    line_count: int | None = None
    no_follow: bool = False
    # request
    request_id: str = ""
    # Reports: the order, the number of rows (0: all), and the columns by which `top` groups.
    by: str = ""
    per: Sequence[str] = ()
    limit: int = DEFAULT_ROWS
    # sql
    sql: str = ""
    as_csv: bool = False
    parquet: Path | None = None
    # prune
    keep: timedelta | None = None
    max_bytes: int | None = None
    dry_run: bool = False

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any], default_paths: Sequence[Path]) -> "Options":
        """Return the options for parsed arguments. Raises LogAnalysisError for a value that is not allowed."""
        selects_lines = arguments.get("subcommand") != "prune"
        times = [
            parse_time(arguments[name], f"--{name}") if selects_lines and arguments.get(name) else None
            for name in ("since", "until")
        ]
        parsed = {"paths", "columns", "time_range", "keep"}
        names = {field.name for field in fields(cls)} - parsed
        return cls(
            paths=tuple(arguments.get("paths") or default_paths),
            columns=Columns(parse_mappings((selects_lines and arguments.get("columns")) or ())),
            time_range=TimeRange(*times),
            keep=parse_duration(arguments["keep"], "--keep") if arguments.get("keep") else None,
            **{name: value for name, value in arguments.items() if name in names and value is not None},
        )

    @contextmanager
    def open_logs(self, output: Output) -> Iterator[list[Log]]:
        """Open the selected logs. Raises LogAnalysisError if no log is found."""
        since = self.time_range.since.timestamp() if self.time_range.since else None
        with open_logs(find_logs(self.paths), modified_since=since) as (logs, problems):
            for problem in problems:
                output.warn(problem)
            selected = [log for log in logs if log.path in self.paths or _is_log(log, self.columns)]
            if not selected:
                raise LogAnalysisError(
                    f"No log file with JSON lines in {', '.join(map(str, self.paths))}. "
                    "Use --in PATH to read another directory or log file."
                )
            yield selected

    @contextmanager
    def open_database(self, output: Output) -> Iterator[LogDatabase]:
        """Open the DuckDB views of the selected lines. At the end, report damaged files and broken lines."""
        with (
            self.open_logs(output) as logs,
            open_database(logs, self.columns, self.time_range, self.where) as database,
        ):
            yield database
            for problem in database.files.problems:
                output.warn(problem)
            warn_of_broken_lines(database.files.broken_count, output)


def warn_of_broken_lines(count: int, output: Output) -> None:
    if count:
        output.warn(f"{format_count(count, 'broken line')} left out: not a JSON object, or without a timestamp.")


def _is_log(log: Log, columns: Columns) -> bool:
    """Return whether the first record has the keys of a log line. A directory may contain other JSON files."""
    if not any(file.size for file in log.files):
        return True
    lines = islice(read_logs([log]), SAMPLE)
    record = next(filter(None, (parse_line(line, columns.time_key) for line in lines)), None)
    key = columns.mappings["event"].path[0] if "event" in columns.mappings else "event"
    return record is not None and (bool(columns.mappings) or key in record)
