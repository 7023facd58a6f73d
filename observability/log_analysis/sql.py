"""A question in SQL: its answer as a table, CSV, JSON or a Parquet file, and what can be asked of."""

import csv
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from observability.log_analysis.asked import Asked, Options, Output, Write, json_of
from observability.log_analysis.columns import VIEWS
from observability.log_analysis.database import Row
from observability.log_analysis.numbers import items
from observability.log_analysis.table import Field, fits, table
from observability.log_analysis.terminal import Terminal

DEFAULT_ROWS = 100
# How many rows are taken from DuckDB at a time.
BATCH = 2_000


def answer_sql(asked: Asked, options: Options, output: Output) -> None:
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
                output.write(json_of(dict(zip(names, row, strict=True))))
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
