"""The last calls, of all processes of this machine: the store that the recorder writes and the pages read."""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from django.dispatch import receiver
from django.test.signals import setting_changed

from observability.profiler.profiles.file import ProfileFile, profile_path

# The kinds of documents: all that a call did, and the samples of its flame graph.
CALL, FLAME = "call", "flame"

MAX_PROFILES = 500
MAX_BYTES = 128 * 1024 * 1024
MAX_PANEL_BYTES = 4 * 1024 * 1024
# How many of the oldest go at once, each time as many have come.
FORGOTTEN_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a call without its document. None is not known (yet); `number` is the order of the calls."""

    number: int
    id: str
    request_id: str
    toolbar_id: str | None
    is_running: bool
    process: int
    started_at: float
    method: str
    path: str
    query: str | None
    route: str | None
    status: int | None
    duration_ms: float | None
    query_count: int | None
    repeated_count: int | None
    over_budget: bool | None
    transaction: str | None
    user_id: str | None
    failed: bool | None
    repeat_of: str | None
    silk_url: str | None

    @property
    def url(self) -> str:
        """Path and query, without secrets."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def state(self) -> str:
        """`running` until the call is over, `lost` where its process ended before that, `closed`."""
        if not self.is_running:
            return "closed"
        return "running" if _is_alive(self.process) else "lost"


COLUMNS = tuple(field.name for field in fields(Row))
_written = tuple(name for name in COLUMNS if name != "number")
_selected = ", ".join(f'profile."{name}"' for name in COLUMNS)
_insert = f"""INSERT INTO profile ({", ".join(f'"{name}"' for name in _written)})
    VALUES ({", ".join(f":{name}" for name in _written)})"""  # noqa: S608 - names of this module


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls: a part of path and query, statuses (first and last), the least milliseconds, a request id."""

    path: str = ""
    statuses: tuple[int, int] | None = None
    min_ms: float = 0.0
    request_id: str = ""

    def condition(self) -> tuple[str, dict[str, object]]:
        """A condition of SQL and its parameters."""
        parts: dict[str, dict[str, object]] = {"1": {}}
        if self.path:
            parts["instr(lower(path || '?' || coalesce(query, '')), lower(:path)) > 0"] = {"path": self.path}
        if self.statuses:
            first, last = self.statuses
            parts["status BETWEEN :first AND :last"] = {"first": first, "last": last}
        if self.min_ms:
            parts["duration_ms >= :min_ms"] = {"min_ms": self.min_ms}
        if self.request_id:
            parts["request_id = :request_id"] = {"request_id": self.request_id}
        return " AND ".join(parts), {name: value for values in parts.values() for name, value in values.items()}


class Store:
    """Profiles by id, newest first, the last 500 or about 128 MiB of them; made once per process and file by `store()`.

    All of it raises `sqlite3.Error` or `OSError` where the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.file = ProfileFile(path)

    def begin(self, values: Mapping[str, object], panels: Mapping[str, str]) -> int:
        """Write the row of a call that has begun to answer (a value for each column), and its panels of the toolbar.

        Returns its number.
        """
        with self.file.writing() as connection:
            number = connection.execute(_insert, values).lastrowid or 0
            _write_panels(connection, number, panels.items())
            if number % FORGOTTEN_AT_ONCE == 0:
                _forget(connection, number - MAX_PROFILES)
                _forget_while_too_large(connection)
        return number

    def close(self, number: int, profile_id: str, values: Mapping[str, object], documents: Mapping[str, bytes]) -> None:
        """Complete the row of a call that is over, and write its documents; nothing where it was forgotten."""
        changes = ", ".join(f'"{name}" = :{name}' for name in values)
        condition = "number = :number AND id = :id"
        with self.file.writing() as connection:
            # In a file that was made anew the number may be that of another call.
            found = connection.execute(
                f"UPDATE profile SET {changes}, is_running = 0 WHERE {condition}",  # noqa: S608 - our columns
                {**values, "number": number, "id": profile_id},
            )
            if found.rowcount:
                rows = [(number, kind, data) for kind, data in documents.items()]
                connection.executemany("INSERT OR REPLACE INTO document VALUES (?, ?, ?)", rows)

    def rows(self, wanted: Wanted | None = None, limit: int = MAX_PROFILES) -> list[Row]:
        """The newest calls that are wanted, newest first."""
        condition, parameters = (wanted or Wanted()).condition()
        return self._rows(f"WHERE {condition} ORDER BY number DESC LIMIT {int(limit)}", parameters)

    def row(self, profile_id: str) -> Row | None:
        return next(iter(self._rows("WHERE id = :id", {"id": profile_id})), None)

    def previous(self, row: Row) -> Row | None:
        """The call before this one of the same method and route, or of the same path where no route matched."""
        same = "route = :route" if row.route else "path = :path AND route IS NULL"
        condition = f"WHERE number < :number AND method = :method AND {same} ORDER BY number DESC LIMIT 1"
        values = {"number": row.number, "method": row.method, "route": row.route, "path": row.path}
        return next(iter(self._rows(condition, values)), None)

    def repeats(self, profile_id: str) -> list[Row]:
        """The calls that repeat this one for a tool, newest first."""
        return self._rows("WHERE repeat_of = :id ORDER BY number DESC", {"id": profile_id})

    def document(self, number: int, kind: str) -> bytes | None:
        """A document of the call of this number."""
        with self.file.reading() as connection:
            found = connection.execute("SELECT data FROM document WHERE number = ? AND kind = ?", (number, kind))
            row = found.fetchone()
        return None if row is None else row["data"]

    def _rows(self, condition: str, parameters: Mapping[str, object]) -> list[Row]:
        with self.file.reading() as connection:
            found = connection.execute(f"SELECT {_selected} FROM profile {condition}", parameters).fetchall()  # noqa: S608 - our columns and conditions
        return [Row(*row) for row in found]

    # What the toolbar keeps.

    def toolbar_ids(self, limit: int) -> list[str]:
        """The toolbar's ids of the newest calls that have any, oldest first."""
        rows = self._rows(f"WHERE toolbar_id IS NOT NULL ORDER BY number DESC LIMIT {int(limit)}", {})
        return [str(row.toolbar_id) for row in reversed(rows)]

    def has_toolbar(self, toolbar_id: str) -> bool:
        with self.file.reading() as connection:
            return _number_of(connection, toolbar_id) is not None

    def save_panels(self, toolbar_id: str, panels: Mapping[str, str]) -> None:
        """Add panels to a call; nothing where it was forgotten."""
        with self.file.writing() as connection:
            number = _number_of(connection, toolbar_id)
            if number is not None:
                _write_panels(connection, number, panels.items())

    def panels(self, toolbar_id: str) -> dict[str, str]:
        """What each panel stored of a call, as it was serialised; nothing where the call was forgotten."""
        query = "SELECT panel, data FROM panel JOIN profile USING (number) WHERE toolbar_id = ?"
        with self.file.reading() as connection:
            return dict(map(tuple, connection.execute(query, (toolbar_id,)).fetchall()))

    def panel(self, toolbar_id: str, panel: str) -> str | None:
        """What one panel stored."""
        query = "SELECT data FROM panel JOIN profile USING (number) WHERE toolbar_id = ? AND panel = ?"
        with self.file.reading() as connection:
            row = connection.execute(query, (toolbar_id, panel)).fetchone()
        return None if row is None else row["data"]

    def clear(self, toolbar_id: str | None = None) -> None:
        """Forget what the toolbar keeps of one call, or of all; the calls stay."""
        with self.file.writing() as connection:
            condition = "" if toolbar_id is None else "WHERE toolbar_id = :id"
            numbers = f"SELECT number FROM profile {condition}"  # noqa: S608 - as above
            connection.execute(f"DELETE FROM panel WHERE number IN ({numbers})", {"id": toolbar_id})  # noqa: S608
            connection.execute(f"UPDATE profile SET toolbar_id = NULL {condition}", {"id": toolbar_id})  # noqa: S608


def _number_of(connection: sqlite3.Connection, toolbar_id: str) -> int | None:
    row = connection.execute("SELECT number FROM profile WHERE toolbar_id = ?", (toolbar_id,)).fetchone()
    return None if row is None else row["number"]


def _write_panels(connection: sqlite3.Connection, number: int, panels: Iterable[tuple[str, str]]) -> None:
    rows = [(number, panel, data) for panel, data in panels if len(data) <= MAX_PANEL_BYTES]
    connection.executemany("INSERT OR REPLACE INTO panel VALUES (?, ?, ?)", rows)


def _forget(connection: sqlite3.Connection, number: int) -> None:
    """Forget all calls up to this number."""
    if connection.execute("DELETE FROM profile WHERE number <= ?", (number,)).rowcount:
        connection.execute("DELETE FROM document WHERE number <= ?", (number,))
        connection.execute("DELETE FROM panel WHERE number <= ?", (number,))


def _forget_while_too_large(connection: sqlite3.Connection) -> None:
    while _used_bytes(connection) > MAX_BYTES:
        first, last = connection.execute("SELECT min(number), max(number) FROM profile").fetchone()
        if first == last:
            return
        _forget(connection, min(first + FORGOTTEN_AT_ONCE, last) - 1)


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _is_alive(process: int) -> bool:
    # Elsewhere this asks; on Windows it would end the process.
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@cache
def store() -> Store:
    """The store of this process, in OBSERVABILITY["VAR_DIR"]."""
    return Store(profile_path())


@receiver(setting_changed, dispatch_uid="observability.profiler.profiles.store")
def _forget_store(*, setting: str, **_: Any) -> None:  # noqa: ANN401
    """Follow `override_settings(OBSERVABILITY=…)` in tests."""
    if setting == "OBSERVABILITY" and store.cache_info().currsize:
        store().file.close()
        store.cache_clear()
