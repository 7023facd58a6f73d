"""`logs sql`: print the result of SQL over the views as a table, CSV or JSON, or write it to a Parquet file."""

import csv
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Protocol

from observability.log_analysis.columns import VIEWS
from observability.log_analysis.formatting import row_to_json
from observability.log_analysis.options import Options
from observability.log_analysis.terminal import Output, Row, TableColumn, Terminal, fits_terminal, render_table
from observability.text import format_count

DEFAULT_ROWS = 100
# The number of rows that are fetched from DuckDB at a time.
BATCH = 2_000


class Cursor(Protocol):
    """A DuckDB result."""

    def fetchmany(self, size: int) -> list[tuple[object, ...]]: ...

    def fetchall(self) -> list[tuple[object, ...]]: ...


def run_sql(options: Options, output: Output) -> None:
    """Run the SQL of the user and print its result. Without SQL, print the columns of the views."""
    if not options.sql:
        output.write("\n".join(_describe_views(output.terminal)))
        return
    with options.open_database(output) as database:
        if options.parquet is not None:
            count = database.write_parquet(options.sql, options.parquet)
            output.warn(f"{options.parquet}: {format_count(count, 'row')}.")
            return
        cursor = database.execute(options.sql)
        names = [each[0] for each in cursor.description or ()]
        if options.as_json:
            for row in _fetch_rows(cursor):
                output.write(row_to_json(dict(zip(names, row, strict=True))))
        elif options.as_csv:
            writer = csv.writer(_LineWriter(output.write))
            writer.writerow(names)
            writer.writerows(_fetch_rows(cursor))
        else:
            _write_table(names, cursor, options.limit, output)


class _LineWriter:
    """A file for `csv`, which calls `write` with one line at a time."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def write(self, text: str) -> None:
        self._write(text.removesuffix("\r\n"))


def _fetch_rows(cursor: Cursor) -> Iterator[tuple[object, ...]]:
    while rows := cursor.fetchmany(BATCH):
        yield from rows


def _write_table(names: Sequence[str], cursor: Cursor, limit: int, output: Output) -> None:
    """Print the first rows as a table. If it does not fit the terminal, print each row as a list of its values."""
    fetched = cursor.fetchmany(limit + 1) if limit else cursor.fetchall()
    rows: list[Row] = [dict(enumerate(map(_format_cell, row))) for row in (fetched[:limit] if limit else fetched)]
    columns = [
        TableColumn(name, itemgetter(place), is_text=any(isinstance(row[place], str) for row in fetched))
        for place, name in enumerate(names)
    ]
    if not rows:
        output.write("No rows.")
    elif fits_terminal(rows, columns, output.terminal):
        for line in render_table(rows, columns, output.terminal):
            output.write(line)
    else:
        _write_lists(names, rows, output)
    if len(fetched) > len(rows):
        output.write("… and more: --limit 0 shows all, --csv and --json write all.")


def _write_lists(names: Sequence[str], rows: Sequence[Row], output: Output) -> None:
    columns = [
        TableColumn("", itemgetter("name"), is_text=True),
        TableColumn("", itemgetter("value"), is_text=True),
    ]
    for row in rows:
        values = [{"name": name, "value": row[place]} for place, name in enumerate(names) if row[place]]
        _, *lines = render_table(values, columns, output.terminal)
        for line in [*lines, ""]:
            output.write(line)


def _format_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _describe_views(terminal: Terminal) -> Iterator[str]:
    table_columns = [
        TableColumn("column", lambda row: f"  {row['name']}", is_text=True),
        TableColumn("type", lambda row: row["type"].lower(), is_text=True),
        TableColumn("log key", lambda row: row["key"], is_text=True),
        TableColumn("", lambda row: row["help"], importance=1, is_text=True),
    ]
    for view, columns in VIEWS.items():
        yield terminal.style(view, "bold")
        rows: list[Row] = [column._asdict() for column in columns]
        yield from render_table(rows, table_columns, terminal)
        yield ""
    yield 'Each other key of the log lines is a column too, such as tenant, log.file.path or (quoted) "x-tenant".'
