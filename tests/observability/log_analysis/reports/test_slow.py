"""`logs slow`: the slowest requests, one by one."""

from pathlib import Path

import pytest

from observability.log_analysis.reports.slow import ORDERS, slow
from observability.log_analysis.terminal import Terminal
from tests.observability.log_analysis.records import PLAIN, database_of, request, write

KEYS = {
    "time": "duration_ms",
    "queries": "db.query_count",
    "db": "db.duration_ms",
    "repeated": "db.repeated_count",
    "size": "http.response.body.size",
}


@pytest.mark.parametrize("by", ORDERS)
def test_requests_with_the_highest_value_come_first(log_dir: Path, by: str) -> None:
    values = (("little", 5), ("most", 5_000), ("none", None), ("more", 50))
    write(log_dir, *(request(0, request_id, **{KEYS[by]: value}) for request_id, value in values))
    with database_of(log_dir) as database:
        rows = slow(database, PLAIN, by=by, limit=2).rows
    assert [row["request_id"] for row in rows] == ["most", "more"]


def test_limit_0_shows_all(log_dir: Path) -> None:
    write(log_dir, *(request(second, f"request-{second}") for second in range(30)))
    with database_of(log_dir) as database:
        assert len(slow(database, PLAIN, by="time", limit=0).rows) == 30


def test_earlier_request_precedes_an_equally_slow_one(log_dir: Path) -> None:
    write(log_dir, request(1, "later"), request(0, "earlier"))
    with database_of(log_dir) as database:
        rows = slow(database, PLAIN, by="time", limit=0).rows
    assert [row["request_id"] for row in rows] == ["earlier", "later"]


def test_line_shows_the_request_and_the_start_of_its_id(log_dir: Path) -> None:
    write(log_dir, request(0, "0f2a9c7e-0000-0000", duration_ms=1_840.0, url__path="/books/7/"))
    with database_of(log_dir) as database:
        _, line = slow(database, PLAIN, by="time", limit=0).lines
    assert line.split()[:3] == ["08:30:00", "1.8", "s"]
    assert "GET /books/7/" in line
    assert line.endswith("0f2a9c7e-000")


@pytest.mark.parametrize("width", [40, 80, 140])
def test_table_fits_its_terminal_and_has_the_id(log_dir: Path, width: int) -> None:
    path = f"/\x1b[2J\r{'车' * 100}/"
    write(log_dir, request(0, "0f2a9c7e0000", url__path=path, duration_ms=999.7, user__id="1" * 30))
    write(log_dir, request(90_000, "1f2a9c7e0000", http__response__status_code=500, level="error"))
    with database_of(log_dir) as database:
        lines = slow(database, Terminal(width, has_colors=False), by="time", limit=0).lines
    assert all(len(line) + line.count("车") <= width for line in lines)
    assert all("f2a9c7e0000" in line for line in lines[1:])
    assert "\x1b" not in "".join(lines)
