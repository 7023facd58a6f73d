"""`logs users`: requests, failures and time by user."""

from pathlib import Path
from typing import Any

import pytest

from observability.log_analysis.reports.users import ORDERS, users
from observability.log_analysis.terminal import Terminal
from tests.observability.log_analysis.records import PLAIN, database_of, request, write


def user_rows(directory: Path, by: str = "requests") -> list[dict[str, Any]]:
    with database_of(directory) as database:
        return list(users(database, PLAIN, by=by, limit=0).rows)


def test_requests_are_counted_by_user(log_dir: Path) -> None:
    write(log_dir, request(0, user__id="7"), request(1, user__id=7, sample_rate=10), request(2))
    assert [(row["user_id"], row["requests"]) for row in user_rows(log_dir)] == [("7", 11), (None, 1)]


def test_failures_clients_and_the_busiest_route_are_reported(log_dir: Path) -> None:
    write(log_dir, request(0, user__id="7"), request(1, user__id="7", client__address="10.0.0.1"))
    failed = {"http__response__status_code": 500, "level": "error", "http__route": "/failing/"}
    write(log_dir, request(2, user__id="7", **failed), request(3, user__id="7", http__response__status_code=404))
    (row,) = user_rows(log_dir)
    assert (row["errors"], row["client_errors"], row["clients"]) == (1, 1, 2)
    assert row["busiest_route"] == "GET /books/"


@pytest.mark.parametrize("by", ORDERS)
def test_users_are_ordered_by_the_requested_number(log_dir: Path, by: str) -> None:
    for user, factor in (("low", 1), ("high", 9), ("middle", 3)):
        facts = {"user__id": user, "http__response__status_code": 500, "db__query_count": factor}
        write(log_dir, *(request(factor, duration_ms=10.0 * factor, **facts) for _ in range(factor)))
    assert [row["user_id"] for row in user_rows(log_dir, by)] == ["high", "middle", "low"]


def test_missing_numbers_do_not_break_the_order(log_dir: Path) -> None:
    write(log_dir, *(request(0, user__id=user, db__query_count=None, duration_ms=None) for user in ("a", "b")))
    write(log_dir, request(0, user__id="c"))
    assert user_rows(log_dir, "queries")[0]["user_id"] == "c"


def test_summary_shows_how_many_users_there_were(log_dir: Path) -> None:
    write(log_dir, request(0, user__id="7"), request(0, user__id="8"), request(0))
    with database_of(log_dir) as database:
        report = users(database, PLAIN, by="requests", limit=0)
    assert report.summary == "3 requests, 2026-01-05 08:30:00 to 08:30:00 UTC, 2 users."


@pytest.mark.parametrize("width", [40, 80, 140])
def test_table_fits_its_terminal(log_dir: Path, width: int) -> None:
    write(log_dir, request(0, user__id="车\x1b" * 60, sample_rate=123_456))
    with database_of(log_dir) as database:
        lines = users(database, Terminal(width, has_colors=False), by="requests", limit=0).lines
    assert all(len(line) + line.count("车") <= width for line in lines)
    assert "\x1b" not in "".join(lines)
