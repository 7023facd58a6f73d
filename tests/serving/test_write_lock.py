"""The write lock of SQLite at a real server: a slow client does not hold it, and reads do not need it."""

import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

import service.api.urls
from tests.server import Server, running

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the lock is SQLite's"),
]

HEAD = "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"


def find_slow_paths() -> list[str]:
    """Return the addresses without a parameter that accept a POST request."""
    paths = ["/admin/login/"]
    for pattern in service.api.urls.urlpatterns:
        view: Any = pattern.callback
        accepts_post = "post" in view.actions if getattr(view, "actions", None) else hasattr(view.cls, "post")
        if "<" not in str(pattern.pattern) and accepts_post:
            paths.append(f"/api/v1/{pattern.pattern}")
    return paths


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a server whose threads read requests: gunicorn without `settings/gunicorn.py`."""
    with running("gunicorn", tmp_path, DJANGO_SETTINGS_MODULE="settings.production") as server:
        yield server


def take_write_lock(server: Server) -> sqlite3.Connection:
    """Return a connection that has the lock; raise an error if it is taken."""
    database = sqlite3.connect(server.database.path, timeout=0, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    return database


def test_slow_client_does_not_hold_the_lock(server: Server) -> None:
    with ExitStack() as stack:
        for path in find_slow_paths():
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            slow.sendall(HEAD.format(path).encode())
        for _ in range(50):
            take_write_lock(server).close()
            time.sleep(0.02)
        assert server.get("/readyz").status == 200


def test_reads_do_not_wait_for_the_lock(server: Server) -> None:
    with closing(take_write_lock(server)):
        assert server.get("/api/v1/", Authorization="Token x").status == 401
        assert server.get("/api/v1/").status == 401
        assert server.get("/admin/").status == 302
        assert server.get("/readyz").status == 200
