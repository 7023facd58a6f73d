"""A file of profiles of a test's own, and calls to put into it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from observability.profiler.profiles.store import CALL, COLUMNS, Row, Store
from observability.profiler.profiles.store import store as own_store

Begin = Callable[..., int]


def values(profile_id: str, **others: object) -> dict[str, Any]:
    """A value for each column of the store, as a call has them that has begun to answer."""
    known: dict[str, Any] = {column: None for column in COLUMNS if column != "number"}
    known |= {"id": profile_id, "request_id": f"request-{profile_id}", "is_running": True, "process": os.getpid()}
    return known | {"started_at": 1_700_000_000.0, "method": "GET", "path": "/books/"} | others


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """A store, as a process has it open that ends with the block."""
    store = Store(path)
    yield store
    store.file.close()


def document_of(row: Row) -> dict[str, Any]:
    """What is kept of a call that is over, in the file of `recording`."""
    data = own_store().document(row.number, CALL)
    assert data is not None
    document: dict[str, Any] = json.loads(data)
    return document


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "profiles.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with opened(path) as store:
        yield store


@pytest.fixture
def begin(store: Store) -> Begin:
    """Begins a call in the store, with these values beside the usual ones, and returns its number."""

    def begun(profile_id: str, panels: dict[str, str] | None = None, **others: object) -> int:
        return store.begin(values(profile_id, **others), panels or {})

    return begun
