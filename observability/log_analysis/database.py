"""DuckDB over log files: the views that reports and questions are asked of."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from observability.log_analysis import further_keys
from observability.log_analysis.columns import COLUMNS, FILE, NUMBER, VIEWS, Columns, literal, quoted
from observability.log_analysis.lines import Record, dumped
from observability.log_analysis.mistake import ReadingError
from observability.log_analysis.question import Question
from observability.log_analysis.segments import Segment
from observability.log_analysis.snapshot import Log, main_logs
from observability.log_analysis.sources import PLAIN, Sources, select
from observability.log_analysis.terminal import harmless
from observability.log_analysis.times import Span, rfc_3339

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]

MEMORY_LIMIT = "350MB"
# Each takes buffers of its own, and two read faster than most disks.
MAX_THREADS = 4
# What tells lines apart that stand in two logs: the time has microseconds.
IDENTITY = ("time", "logger", "event", "request_id")
BEFORE_WHERE, AFTER_WHERE = "select 1 from records where (", "\n)"
NEEDED = "This needs DuckDB: install requirements-reading.txt, or duckdb alone."


@contextmanager
def connected(logs: Sequence[Log], columns: Columns, span: Span, where: str = "") -> Iterator["Database"]:
    """A database over the logs, of lines within the span for which `where` (SQL over columns) holds.

    Raises ReadingError where DuckDB is not installed, and for what it says of a question.
    """
    try:
        import duckdb  # noqa: PLC0415 - an optional package, of the reading commands alone
    except ImportError:
        raise ReadingError(NEEDED) from None
    with tempfile.TemporaryDirectory(prefix="logs-") as directory:
        connection = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": directory,
                "threads": min(MAX_THREADS, os.cpu_count() or 1),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
            }
        )
        try:
            connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
            yield Database(connection, logs, Sources(logs, columns, Path(directory)), span, where)
        except duckdb.Error as error:
            raise ReadingError(_told(error)) from error
        finally:
            connection.close()


def _told(error: Exception) -> str:
    """What DuckDB says, without the words that are its own; it may repeat what is in a line."""
    text = re.sub(r"^([\w ]+ )?Error: ", "", str(error)).strip()
    return "\n".join(map(harmless, text.split("\n")))


class Database:
    """The views of some logs: `load` reads one into memory for a report, `ask` answers a question of somebody."""

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", logs: Sequence[Log], sources: Sources, span: Span, where: str
    ) -> None:
        self.connection = connection
        self.sources = sources
        self.columns = sources.columns
        self._logs = logs
        self._span = span
        self._asked_where = where
        self._where, self._where_names = self._condition_of(where) if where else ("", [])

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows of a question, each by the names of its columns."""
        cursor = self.connection.execute(sql, list(parameters))
        names = [each[0] for each in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def column_named(self, written: str) -> str | None:
        """The name of the column that is written as its name, or as the key of a line; None where no line has it."""
        further_keys.add_named(self.columns, self._logs, [written])
        return self.columns.name_of(written)

    def load(self, view: str, names: Iterable[str], condition: str = "true") -> None:
        """Read the lines of a view once, and keep these columns of them as a table of its name.

        `condition` is SQL over these columns that a line has to meet.
        """
        with self._telling_of_where():
            self._load(view, list(dict.fromkeys(["time", *names])), condition)

    def _load(self, view: str, wanted: Sequence[str], condition: str) -> None:
        self.sources.undamaged(
            lambda: self.connection.execute(
                f"create temp table {view} as {self._select(view, wanted, condition, with_broken=True)}"
            )
        )
        self._mend(view)
        main, others = self._segments_of(view)
        if self.sources.has_recovered([*main, *others]):
            # What was recovered of one log may stand in another one.
            self.connection.execute(f"create or replace temp table {view} as {self._select(view, wanted, condition)}")
        else:
            self.connection.execute(f"delete from {view} where time is null")

    def ask(self, sql: str) -> "duckdb.DuckDBPyConnection":
        """The answer to a question of somebody, over views that are read while it is answered."""
        return self.connection.execute(self._prepared(sql))

    def write_parquet(self, sql: str, path: Path) -> int:
        """Write the answer as a Parquet file, which is there whole or not at all, and return how many rows it has."""
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            if not self._is_select(sql):
                raise ReadingError("A Parquet file is written of a SELECT alone.")
            self.connection.sql(self._prepared(sql)).write_parquet(str(unfinished))
            (row,) = self.rows("select count(*) as found from read_parquet($1)", [str(unfinished)])
            unfinished.replace(path)
        except OSError as error:
            raise ReadingError(f"{path} cannot be written: {error.strerror}.") from error
        finally:
            unfinished.unlink(missing_ok=True)
        return int(row["found"])

    def _is_select(self, sql: str) -> bool:
        import duckdb  # noqa: PLC0415 - as above

        statements = self.connection.extract_statements(sql)
        # Several are a PIVOT.
        return len(statements) == 1 and statements[0].type in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI)

    def matching(self, records: Sequence[Record]) -> list[bool]:
        """For each record, as it was read, whether the condition of `where` holds for it."""
        path = self.sources.directory / "batch.jsonl"
        path.write_text("".join(f"{dumped({NUMBER: number} | record)}\n" for number, record in enumerate(records)))
        source = select(self.columns, ["time", *self._where_names], {PLAIN: [path]}, {NUMBER: "BIGINT"})
        sql = f"select {quoted(NUMBER)} from ({source}) records where {self._where}"
        with self._telling_of_where():
            found = self.connection.execute(sql).fetchall()
        kept = {number for (number,) in found}
        return [number in kept for number in range(len(records))]

    def _condition_of(self, where: str) -> tuple[str, list[str]]:
        """A condition with the names of columns, and these."""
        question = Question(self.connection, f"{BEFORE_WHERE}{where}{AFTER_WHERE}")
        if question.table_count > 1:
            raise ReadingError(
                f"--where is {where!r}: a condition of one line alone; `sql` answers what asks for others."
            )
        further_keys.add_named(self.columns, self._logs, question.names())
        names = [name for written in question.names() if (name := self.columns.name_of(written))]
        rewritten = question.rewritten(self.columns.name_of)
        # What is wrong is told of what was written, and not of the query that it becomes a part of.
        nothing = select(self.columns, [*COLUMNS, *self.columns.extra], {})
        self.connection.execute(f"create temp table records as {nothing}")
        try:
            with self._telling_of_where():
                self.connection.execute(f"explain {rewritten}")
        finally:
            self.connection.execute("drop table records")
        return f"({rewritten[len(BEFORE_WHERE) : -len(AFTER_WHERE)]}\n)", names

    @contextmanager
    def _telling_of_where(self) -> Iterator[None]:
        """What DuckDB says of a condition, or of a value that it meets there, told of what somebody typed."""
        import duckdb  # noqa: PLC0415 - as above

        try:
            yield
        except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError) as error:
            if not self._asked_where:
                raise
            raise ReadingError(f"--where is {self._asked_where!r}: {_told(error).partition(chr(10))[0]}") from error

    def _prepared(self, sql: str) -> str:
        """The question as DuckDB takes it, once the views are made that it is about."""
        question = Question(self.connection, sql)
        if question.asks_for_all:
            further_keys.add_sampled(self.columns, self._logs)
        further_keys.add_named(self.columns, self._logs, question.names())
        for view in VIEWS:
            if view in question.tables or not question.tables:
                self._make_view(view)
        # Lines come in the order of the files, where nothing else is asked for.
        self.connection.execute("set preserve_insertion_order = true")
        return question.rewritten(self.columns.name_of)

    def _make_view(self, view: str) -> None:
        main, others = self._segments_of(view)
        self.sources.undamaged(
            lambda: self.connection.execute(
                "create or replace temp table broken as "
                f"select * from ({self.sources.select(['time'], [*main, *others])}) where time is null"
            )
        )
        self._mend("broken")
        names = [column.name for column in self.columns.of(view)]
        self.connection.execute(f"create or replace temp view {view} as {self._select(view, names)}")

    def _mend(self, table: str) -> None:
        broken = f"select {quoted(FILE)}, count(*) from {table} where time is null group by all"
        self.sources.mend(self.connection.execute(broken).fetchall(), self._rows_in_order)

    def _rows_in_order(self, sql: str) -> list[tuple[Any, ...]]:
        self.connection.execute("set preserve_insertion_order = true")
        try:
            return self.connection.execute(sql).fetchall()
        finally:
            self.connection.execute("set preserve_insertion_order = false")

    def _segments_of(self, view: str) -> tuple[list[Segment], list[Segment]]:
        """The segments in which a view's lines are, and those that have some of the same lines, and others."""
        main = main_logs(self._logs)
        others = [log for log in self._logs if log not in main] if view == "records" else []
        if view == "statements":
            main = [log for log in self._logs if log.name == "sql"] or main
        return [each for log in main for each in log.segments], [each for log in others for each in log.segments]

    def _select(
        self,
        view: str,
        names: Sequence[str],
        condition: str = "true",
        *,
        with_broken: bool = False,
    ) -> str:
        """The lines of a view within the span; with `with_broken` also rows without a time, and the file of each."""
        condition = f"{self._condition(view)} and ({condition})"
        if with_broken:
            condition = f"time is null or ({condition})"
        shown = ", ".join(map(quoted, [*names, FILE] if with_broken else names))
        needed = {"requests": self.columns.request_signs(), "statements": ["statement"]}
        inner = ["time", *names, *needed.get(view, []), *self._where_names]
        main, others = self._segments_of(view)
        lines = self.sources.select(inner, main)
        selected = f"select {shown} from ({lines}) records where {condition}"
        if not others:
            return selected
        repeating = self.sources.select([*inner, *IDENTITY], others)
        same = " and ".join(f"own.{name} is not distinct from records.{name}" for name in IDENTITY)
        return (
            f"{selected} union all select {shown} from ({repeating}) records where ({condition})"
            f" and not exists (select 1 from ({self.sources.select(IDENTITY, main)}) own"
            f" where time is not null and {same})"
        )

    def _condition(self, view: str) -> str:
        conditions = {"requests": self.columns.is_request(), "records": "true", "statements": "statement is not null"}
        parts = [conditions[view], "time is not null"]
        for operator, time in ((">=", self._span.since), ("<", self._span.until)):
            if time is not None:
                parts.append(f"time {operator} TIMESTAMP {literal(rfc_3339(time).removesuffix('Z'))}")
        if self._where:
            parts.append(self._where)
        return " and ".join(parts)
