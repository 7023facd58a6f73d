"""The DuckDB views `requests`, `records` and `statements` over log files. The reports and `logs sql` read them."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.columns import COLUMNS, FILE, NUMBER, VIEWS, Columns, quote_name, quote_text
from observability.log_analysis.duckdb_files import UNCOMPRESSED, DuckDBFiles, select_columns
from observability.log_analysis.lines import Record, to_json
from observability.log_analysis.log_files import Log, LogFile, main_logs
from observability.log_analysis.log_keys import SYNTAX_TREE, SqlQuery, add_named_columns, add_sampled_columns
from observability.log_analysis.terminal import escape_controls
from observability.log_analysis.times import TimeRange, format_timestamp

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]

MEMORY_LIMIT = "350MB"
# Each thread has its own buffers. Two threads already read faster than most disks.
MAX_THREADS = 4
# The columns that identify a line that two logs contain. The time has microseconds.
RECORD_IDENTITY = ("time", "logger", "event", "request_id")
BEFORE_WHERE, AFTER_WHERE = "select 1 from records where (", "\n)"
DUCKDB_REQUIRED = (
    "DuckDB is not installed. All reports, `logs sql` and --where need it. Install it: pip install 'duckdb>=1.5'"
)


@contextmanager
def open_database(
    logs: Sequence[Log], columns: Columns, time_range: TimeRange, where: str = ""
) -> Iterator["LogDatabase"]:
    """Open a database of the lines in the time range that match `where` (an SQL condition on columns).

    Raises LogAnalysisError if DuckDB is not installed or reports an error in the SQL.
    """
    try:
        import duckdb  # noqa: PLC0415 - an optional package
    except ImportError:
        raise LogAnalysisError(DUCKDB_REQUIRED) from None
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
            yield LogDatabase(connection, logs, DuckDBFiles(logs, columns, Path(directory)), time_range, where)
        except duckdb.Error as error:
            raise LogAnalysisError(f"DuckDB error: {_describe(error)}") from error
        finally:
            connection.close()


class LogDatabase:
    """The views of some logs. `load` reads a view into memory for a report. `execute` runs the SQL of a user."""

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        logs: Sequence[Log],
        files: DuckDBFiles,
        time_range: TimeRange,
        where: str,
    ) -> None:
        self.connection = connection
        self.files = files
        self.columns = files.columns
        self._logs = logs
        self._time_range = time_range
        self._where_text = where
        self._where, self._where_names = self._parse_where(where) if where else ("", [])

    def load(self, view: str, names: Iterable[str], condition: str = "true") -> None:
        """Read the lines of a view once, and store these columns as a table with the view's name.

        Only lines that match `condition`, an SQL condition on these columns, are stored.
        """
        wanted = list(dict.fromkeys(["time", *names]))
        with self._reporting_where():
            self._execute_over_files(
                lambda: f"create temp table {view} as {self._select(view, wanted, condition, with_broken=True)}"
            )
            self._recover_lines(view)
            main, others = self._files_of(view)
            if self.files.has_recovered([*main, *others]):
                # A record that was recovered from one log may be complete in another one.
                select = self._select(view, wanted, condition)
                self.connection.execute(f"create or replace temp table {view} as {select}")
            else:
                self.connection.execute(f"delete from {view} where time is null")

    def fetch_rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run SQL over loaded views and return all rows, each as a dict by column name."""
        cursor = self.connection.execute(sql, list(parameters))
        names = [each[0] for each in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def find_column(self, text: str) -> str | None:
        """Return the name of the column with this name or this log key; None if no line has the key."""
        add_named_columns(self.columns, self._logs, [text])
        return self.columns.find_name(text)

    def execute(self, sql: str) -> "duckdb.DuckDBPyConnection":
        """Run the SQL of a user over views that read the log files while it runs."""
        return self.connection.execute(self._prepare(sql))

    def write_parquet(self, sql: str, path: Path) -> int:
        """Write the result to a Parquet file, completely or not at all. Return the number of its rows."""
        temporary_path = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            if not self._is_select(sql):
                raise LogAnalysisError("--parquet requires exactly one SELECT statement, because it writes the result.")
            self.connection.sql(self._prepare(sql)).write_parquet(str(temporary_path))
            (row,) = self.fetch_rows("select count(*) as row_count from read_parquet($1)", [str(temporary_path)])
            temporary_path.replace(path)
        except OSError as error:
            raise LogAnalysisError(f"{path} cannot be written: {error.strerror}.") from error
        finally:
            temporary_path.unlink(missing_ok=True)
        return int(row["row_count"])

    def match_records(self, records: Sequence[Record]) -> list[bool]:
        """Return for each record whether it matches the condition `where`. The records have their original keys."""
        path = self.files.directory / "batch.jsonl"
        path.write_text("".join(f"{to_json({NUMBER: number} | record)}\n" for number, record in enumerate(records)))
        source = select_columns(self.columns, ["time", *self._where_names], {UNCOMPRESSED: [path]}, {NUMBER: "BIGINT"})
        with self._reporting_where():
            rows = self.connection.execute(
                f"select {quote_name(NUMBER)} from ({source}) records where {self._where}"
            ).fetchall()
        matching = {number for (number,) in rows}
        return [number in matching for number in range(len(records))]

    def _parse(self, sql: str) -> SqlQuery:
        row = self.connection.execute(SYNTAX_TREE, [sql]).fetchone()
        return SqlQuery(sql, row[0] if row else "{}")

    def _is_select(self, sql: str) -> bool:
        import duckdb  # noqa: PLC0415 - an optional package

        statements = self.connection.extract_statements(sql)
        # DuckDB gives PIVOT the type MULTI.
        return len(statements) == 1 and statements[0].type in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI)

    def _prepare(self, sql: str) -> str:
        """Create the views that a query reads. Return the query with column names in place of log keys."""
        query = self._parse(sql)
        if query.selects_all:
            add_sampled_columns(self.columns, self._logs)
        add_named_columns(self.columns, self._logs, query.names())
        for view in VIEWS:
            if view in query.tables or not query.tables:
                self._create_view(view)
        # A query without ORDER BY returns lines in the order of the files.
        self.connection.execute("set preserve_insertion_order = true")
        return query.rewrite(self.columns.find_name)

    def _create_view(self, view: str) -> None:
        main, others = self._files_of(view)
        self._execute_over_files(
            lambda: (
                "create or replace temp table broken as "
                f"select * from ({self.files.select(['time'], [*main, *others])}) where time is null"
            )
        )
        self._recover_lines("broken")
        names = [column.name for column in self.columns.of_view(view)]
        self.connection.execute(f"create or replace temp view {view} as {self._select(view, names)}")

    def _execute_over_files(self, make_sql: Callable[[], str]) -> None:
        """Run SQL that reads log files. A damaged compressed file is read up to the damage."""
        import duckdb  # noqa: PLC0415 - an optional package

        while True:
            try:
                self.connection.execute(make_sql())
            except duckdb.IOException as error:
                if not self.files.unpack_damaged(str(error)):
                    raise
            else:
                return

    def _recover_lines(self, table: str) -> None:
        broken = f"select {quote_name(FILE)}, count(*) from {table} where time is null group by all"
        self.files.recover_lines(self.connection.execute(broken).fetchall(), self._fetch_in_order)

    def _fetch_in_order(self, sql: str) -> list[tuple[object, ...]]:
        self.connection.execute("set preserve_insertion_order = true")
        try:
            return self.connection.execute(sql).fetchall()
        finally:
            self.connection.execute("set preserve_insertion_order = false")

    def _files_of(self, view: str) -> tuple[list[LogFile], list[LogFile]]:
        """Return the files that a view reads, and files that repeat some of their lines but also have other lines."""
        main = main_logs(self._logs)
        others = [log for log in self._logs if log not in main] if view == "records" else []
        if view == "statements":
            main = [log for log in self._logs if log.name == "sql"] or main
        return [file for log in main for file in log.files], [file for log in others for file in log.files]

    def _select(self, view: str, names: Sequence[str], condition: str = "true", *, with_broken: bool = False) -> str:
        """Return the SELECT of a view. `with_broken` adds the rows without a time, and the file of each row."""
        condition = f"{self._condition(view)} and ({condition})"
        if with_broken:
            condition = f"time is null or ({condition})"
        selected = ", ".join(map(quote_name, [*names, FILE] if with_broken else names))
        required = {"requests": self.columns.request_columns(), "statements": ["statement"]}
        inner = ["time", *names, *required.get(view, []), *self._where_names]
        main, others = self._files_of(view)
        select = f"select {selected} from ({self.files.select(inner, main)}) records where {condition}"
        if not others:
            return select
        repeating = self.files.select([*inner, *RECORD_IDENTITY], others)
        is_same = " and ".join(f"own.{name} is not distinct from records.{name}" for name in RECORD_IDENTITY)
        return (
            f"{select} union all select {selected} from ({repeating}) records where ({condition})"
            f" and not exists (select 1 from ({self.files.select(RECORD_IDENTITY, main)}) own"
            f" where time is not null and {is_same})"
        )

    def _condition(self, view: str) -> str:
        conditions = {
            "requests": self.columns.request_condition(), "records": "true", "statements": "statement is not null",
        }  # fmt: skip
        parts = [conditions[view], "time is not null"]
        for operator, time in ((">=", self._time_range.since), ("<", self._time_range.until)):
            if time is not None:
                parts.append(f"time {operator} TIMESTAMP {quote_text(format_timestamp(time).removesuffix('Z'))}")
        if self._where:
            parts.append(self._where)
        return " and ".join(parts)

    def _parse_where(self, where: str) -> tuple[str, list[str]]:
        """Return the condition with column names in place of log keys, and the names that it uses."""
        query = self._parse(f"{BEFORE_WHERE}{where}{AFTER_WHERE}")
        if query.table_count > 1:
            raise LogAnalysisError(
                f"--where is {where!r}, which has a subquery. Allowed: a condition on a single line. For subqueries, "
                "use `logs sql`."
            )
        add_named_columns(self.columns, self._logs, query.names())
        names = [name for text in query.names() if (name := self.columns.find_name(text))]
        rewritten = query.rewrite(self.columns.find_name)
        # Check the condition alone, so that an error message shows the condition as typed, without the query around it.
        self.connection.execute(
            f"create temp table records as {select_columns(self.columns, [*COLUMNS, *self.columns.extra], {})}"
        )
        try:
            with self._reporting_where():
                self.connection.execute(f"explain {rewritten}")
        finally:
            self.connection.execute("drop table records")
        return f"({rewritten[len(BEFORE_WHERE) : -len(AFTER_WHERE)]}\n)", names

    @contextmanager
    def _reporting_where(self) -> Iterator[None]:
        """Report a DuckDB error, also one about a value of a line, as an error of --where as the user typed it."""
        import duckdb  # noqa: PLC0415 - an optional package

        try:
            yield
        except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError) as error:
            if not self._where_text:
                raise
            problem = _describe_condition_error(self._where_text, error)
            raise LogAnalysisError(f"--where is {self._where_text!r}: {problem}") from error


def _describe_condition_error(where: str, error: Exception) -> str:
    """Return DuckDB's message about a condition on one line, without the excerpt of the query around the condition."""
    lines = _describe(error).split("\n")
    # The line after the condition has only the closing bracket of the query.
    if f"LINE {where.count(chr(10)) + 2}: )" in lines:
        return "syntax error at the end of the condition"
    return " ".join(takewhile(bool, lines))


def _describe(error: Exception) -> str:
    """Return DuckDB's message without the type of the error. It may quote a log line, so controls are escaped."""
    text = re.sub(r"^([\w ]+ )?Error: ", "", str(error)).strip()
    return "\n".join(map(escape_controls, text.split("\n")))
