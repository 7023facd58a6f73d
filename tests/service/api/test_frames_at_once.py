"""/api/v1/telemetry/frames/ with concurrent clients."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random
from threading import Barrier

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from service.models import TelemetryFrame
from tests.service.fleet import MINUTE, NOON, realtime

CLIENTS = 8
RAW_FRAMES = [realtime(index % 20 + 1, NOON + index // 20 * MINUTE) for index in range(200)]


@pytest.fixture
def database_of_threads(transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """Make the test database usable by threads that each open a connection.

    The SQLite database of the tests is in memory: threads that share it fail with a lock error immediately. They use a
    copy of it in a file, with the options of production.
    """
    if connection.vendor != "sqlite":
        yield
        return
    path = tmp_path / "db.sqlite3"
    connection.ensure_connection()
    with closing(sqlite3.connect(path)) as file:
        connection.connection.backup(file)
        # Change to WAL before several connections exist: the change takes a lock, and connections do not wait for it.
        file.execute("PRAGMA journal_mode=WAL")
    # Restored later: Django closes the connection, and the database in memory loses its tables, if it has another name.
    in_memory = connections.databases["default"]["NAME"]
    connections.databases["default"]["NAME"] = str(path)
    try:
        yield
    finally:
        connections.databases["default"]["NAME"] = in_memory


def post(client: APIClient, raw_frames: list[bytes], all_are_there: Barrier) -> dict[str, int]:
    """Post the frames when all clients are ready, and return the response."""
    try:
        all_are_there.wait(timeout=20)
        response = client.post("/api/v1/telemetry/frames/", {"frames": [raw.hex() for raw in raw_frames]})
        answer: dict[str, int] = response.json()
        return answer
    finally:
        connections.close_all()


def stored_frames() -> int:
    try:
        return TelemetryFrame.objects.count()
    finally:
        connections.close_all()


def test_frames_sent_by_concurrent_clients_are_stored_once(
    transactional_db: None, client: APIClient, database_of_threads: None
) -> None:
    shuffled = [Random(number).sample(RAW_FRAMES, len(RAW_FRAMES)) for number in range(CLIENTS)]
    all_are_there = Barrier(CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda raw_frames: post(client, raw_frames, all_are_there), shuffled))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(stored_frames).result() == len(RAW_FRAMES)
    assert sum(answer["stored"] for answer in answers) == len(RAW_FRAMES)
    assert sum(answer["duplicates"] for answer in answers) == (CLIENTS - 1) * len(RAW_FRAMES)
