"""The store of the last profiles of all processes on this machine. The reader writes it, the pages read it."""

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from django.dispatch import receiver
from django.test.signals import setting_changed

from observability.profiler.flame_graph import FlameSamples
from observability.profiler.profile_document import EMPTY_DOCUMENT, ProfileDocument, StatementDocument
from observability.profiler.profile_file import ProfileFile, profile_path

# The kinds of documents: the document of the profile, and the samples of its flame graph.
DOCUMENT, FLAME = "profile", "flame"

MAX_PROFILES = 500
MAX_BYTES = 128 * 1024 * 1024
MAX_PANEL_BYTES = 4 * 1024 * 1024
# Profiles are deleted in batches of this size.
DELETE_BATCH = 25


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """A profile without its document. None means that a value is not known (yet). `number` is the order of requests."""

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
        """The path and query, without secrets."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def state(self) -> str:
        """`running`, `closed` if the request has ended, or `lost` if its process ended before the request."""
        if not self.is_running:
            return "closed"
        return "running" if _is_alive(self.process) else "lost"


@dataclass(frozen=True)
class StoredProfile:
    """A profile with its document, for the pages. The document is empty while the request runs."""

    row: ProfileRow
    document: ProfileDocument

    @property
    def is_closed(self) -> bool:
        return self.row.state == "closed"

    @property
    def url(self) -> str:
        """The path and query, without secrets."""
        return self.document["request"]["url"] or self.row.url

    @property
    def repeated_statements(self) -> list[StatementDocument]:
        """The statements that ran more than once for the same origin, most frequent first."""
        repeated = [each for each in self.document["statements"] if each["count"] > 1]
        return sorted(repeated, key=lambda each: -each["count"])

    def load_flame_samples(self) -> FlameSamples | None:
        data = store().document(self.row.number, FLAME)
        return None if data is None else json.loads(data)


COLUMNS = tuple(field.name for field in fields(ProfileRow))
_written = tuple(name for name in COLUMNS if name != "number")
_selected = ", ".join(f'profile."{name}"' for name in COLUMNS)
_insert = f"""INSERT INTO profile ({", ".join(f'"{name}"' for name in _written)})
    VALUES ({", ".join(f":{name}" for name in _written)})"""  # noqa: S608 - names of this module


@dataclass(frozen=True, slots=True)
class ProfileFilter:
    """Filters for profiles: a part of path and query, first and last status, minimum duration, request id."""

    path: str = ""
    statuses: tuple[int, int] | None = None
    min_ms: float = 0.0
    request_id: str = ""

    def condition(self) -> tuple[str, dict[str, object]]:
        """Return an SQL condition and its parameters."""
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


class ProfileStore:
    """The last 500 profiles, or fewer if they exceed about 128 MiB. `store()` creates it once per process and file.

    All methods raise `sqlite3.Error` or `OSError` if the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.file = ProfileFile(path)

    def begin(self, values: Mapping[str, object], panels: Mapping[str, str]) -> int:
        """Write the row (a value for each column) and the toolbar panels of a request when its response starts.

        Return the number of the row.
        """
        with self.file.writing() as connection:
            number = connection.execute(_insert, values).lastrowid or 0
            _write_panels(connection, number, panels.items())
            if number % DELETE_BATCH == 0:
                _delete_until(connection, number - MAX_PROFILES)
                _delete_while_too_large(connection)
        return number

    def close(self, number: int, profile_id: str, values: Mapping[str, object], documents: Mapping[str, bytes]) -> None:
        """Complete the row of a request when it ends, and write its documents. No-op if the row was deleted."""
        changes = ", ".join(f'"{name}" = :{name}' for name in values)
        # If the file was recreated meanwhile, the number may belong to another request.
        condition = "number = :number AND id = :id"
        with self.file.writing() as connection:
            updated = connection.execute(
                f"UPDATE profile SET {changes}, is_running = 0 WHERE {condition}",  # noqa: S608 - our columns
                {**values, "number": number, "id": profile_id},
            )
            if updated.rowcount:
                rows = [(number, kind, data) for kind, data in documents.items()]
                connection.executemany("INSERT OR REPLACE INTO document VALUES (?, ?, ?)", rows)

    def rows(self, selected: ProfileFilter | None = None, limit: int = MAX_PROFILES) -> list[ProfileRow]:
        """Return the newest rows that match the filter, newest first."""
        condition, parameters = (selected or ProfileFilter()).condition()
        return self._rows(f"WHERE {condition} ORDER BY number DESC LIMIT {int(limit)}", parameters)

    def row(self, profile_id: str) -> ProfileRow | None:
        return next(iter(self._rows("WHERE id = :id", {"id": profile_id})), None)

    def load(self, row: ProfileRow) -> StoredProfile:
        """Return the profile of a row."""
        data = self.document(row.number, DOCUMENT)
        return StoredProfile(row, EMPTY_DOCUMENT if data is None else json.loads(data))

    def previous(self, row: ProfileRow) -> ProfileRow | None:
        """Return the previous request with the same method and route, or with the same path if no route matched."""
        same = "route = :route" if row.route else "path = :path AND route IS NULL"
        condition = f"WHERE number < :number AND method = :method AND {same} ORDER BY number DESC LIMIT 1"
        values = {"number": row.number, "method": row.method, "route": row.route, "path": row.path}
        return next(iter(self._rows(condition, values)), None)

    def repeats(self, profile_id: str) -> list[ProfileRow]:
        """Return the requests that repeat this request with silk, newest first."""
        return self._rows("WHERE repeat_of = :id ORDER BY number DESC", {"id": profile_id})

    def document(self, number: int, kind: str) -> bytes | None:
        with self.file.reading() as connection:
            cursor = connection.execute("SELECT data FROM document WHERE number = ? AND kind = ?", (number, kind))
            row = cursor.fetchone()
        return None if row is None else row["data"]

    def _rows(self, condition: str, parameters: Mapping[str, object]) -> list[ProfileRow]:
        with self.file.reading() as connection:
            rows = connection.execute(f"SELECT {_selected} FROM profile {condition}", parameters).fetchall()  # noqa: S608 - our columns and conditions
        return [ProfileRow(*row) for row in rows]

    # The panels of the toolbar. `toolbar_id` is the toolbar's id of a request.

    def toolbar_ids(self, limit: int) -> list[str]:
        """Return the toolbar ids of the newest requests with a toolbar, oldest first."""
        rows = self._rows(f"WHERE toolbar_id IS NOT NULL ORDER BY number DESC LIMIT {int(limit)}", {})
        return [str(row.toolbar_id) for row in reversed(rows)]

    def has_toolbar(self, toolbar_id: str) -> bool:
        with self.file.reading() as connection:
            return _find_number(connection, toolbar_id) is not None

    def save_panels(self, toolbar_id: str, panels: Mapping[str, str]) -> None:
        """Add panels to a stored profile. No-op if the profile was deleted."""
        with self.file.writing() as connection:
            number = _find_number(connection, toolbar_id)
            if number is not None:
                _write_panels(connection, number, panels.items())

    def panels(self, toolbar_id: str) -> dict[str, str]:
        """Return the serialized panels by id."""
        query = "SELECT panel, data FROM panel JOIN profile USING (number) WHERE toolbar_id = ?"
        with self.file.reading() as connection:
            return dict(map(tuple, connection.execute(query, (toolbar_id,)).fetchall()))

    def panel(self, toolbar_id: str, panel: str) -> str | None:
        """Return a serialized panel; None if it is not stored."""
        query = "SELECT data FROM panel JOIN profile USING (number) WHERE toolbar_id = ? AND panel = ?"
        with self.file.reading() as connection:
            row = connection.execute(query, (toolbar_id, panel)).fetchone()
        return None if row is None else row["data"]

    def clear_panels(self, toolbar_id: str | None = None) -> None:
        """Delete the panels of one request, or of all requests. The profiles remain."""
        with self.file.writing() as connection:
            condition = "" if toolbar_id is None else "WHERE toolbar_id = :id"
            numbers = f"SELECT number FROM profile {condition}"  # noqa: S608 - as above
            connection.execute(f"DELETE FROM panel WHERE number IN ({numbers})", {"id": toolbar_id})  # noqa: S608
            connection.execute(f"UPDATE profile SET toolbar_id = NULL {condition}", {"id": toolbar_id})  # noqa: S608


def _find_number(connection: sqlite3.Connection, toolbar_id: str) -> int | None:
    row = connection.execute("SELECT number FROM profile WHERE toolbar_id = ?", (toolbar_id,)).fetchone()
    return None if row is None else row["number"]


def _write_panels(connection: sqlite3.Connection, number: int, panels: Iterable[tuple[str, str]]) -> None:
    rows = [(number, panel, data) for panel, data in panels if len(data) <= MAX_PANEL_BYTES]
    connection.executemany("INSERT OR REPLACE INTO panel VALUES (?, ?, ?)", rows)


def _delete_until(connection: sqlite3.Connection, number: int) -> None:
    """Delete all profiles up to and including this number."""
    if connection.execute("DELETE FROM profile WHERE number <= ?", (number,)).rowcount:
        connection.execute("DELETE FROM document WHERE number <= ?", (number,))
        connection.execute("DELETE FROM panel WHERE number <= ?", (number,))


def _delete_while_too_large(connection: sqlite3.Connection) -> None:
    while _used_bytes(connection) > MAX_BYTES:
        first, last = connection.execute("SELECT min(number), max(number) FROM profile").fetchone()
        if first == last:
            return
        _delete_until(connection, min(first + DELETE_BATCH, last) - 1)


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _is_alive(process: int) -> bool:
    # On Windows, `os.kill` would end the process instead of testing it.
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
def store() -> ProfileStore:
    """Return the store of this process, in OBSERVABILITY["VAR_DIR"]."""
    return ProfileStore(profile_path())


@receiver(setting_changed, dispatch_uid="observability.profiler.profile_store")
def _reset_store(*, setting: str, **_: object) -> None:
    """Clear the cache for `override_settings(OBSERVABILITY=…)` in tests."""
    if setting == "OBSERVABILITY" and store.cache_info().currsize:
        store().file.close()
        store.cache_clear()
