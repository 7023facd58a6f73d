"""`logs top`: requests by route or by other columns."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.columns import VIEWS
from observability.log_analysis.reports.top import ORDERS, top
from observability.log_analysis.terminal import Terminal
from tests.observability.log_analysis.records import PLAIN, database_of, record, request, write

ROUTE = ("method", "route")


def top_rows(
    directory: Path,
    by: str = "time",
    per: Sequence[str] = ROUTE,
    limit: int = 0,
    **options: Any,  # noqa: ANN401
) -> list[dict[str, Any]]:
    with database_of(directory, **options) as database:
        return list(top(database, PLAIN, by=by, limit=limit, per=per).rows)


def text(directory: Path, terminal: Terminal = PLAIN) -> list[str]:
    with database_of(directory) as database:
        report = top(database, terminal, by="time", limit=0, per=ROUTE)
        return [report.summary, *report.lines]


def test_requests_are_counted_by_method_and_route(log_dir: Path) -> None:
    write(log_dir, request(0), request(1), request(2, http__request__method="POST"), record(3))
    counted = {(row["method"], row["route"]): row["requests"] for row in top_rows(log_dir)}
    assert counted == {("GET", "/books/"): 2, ("POST", "/books/"): 1}


def test_requests_that_no_route_matched_are_a_group(log_dir: Path) -> None:
    write(log_dir, *(request(second, http__route=None, duration_ms=5.0) for second in range(3)))
    (row,) = top_rows(log_dir)
    assert (row["route"], row["requests"], row["p95_ms"]) == (None, 3, 5.0)


def test_server_errors_and_client_errors_are_counted_separately(log_dir: Path) -> None:
    statuses = {200: "info", 404: "warning", 499: "warning", 500: "error", 503: "error"}
    write(log_dir, *(request(s, http__response__status_code=s, level=level) for s, level in statuses.items()))
    (row,) = top_rows(log_dir)
    assert (row["errors"], row["client_errors"]) == (2, 2)


def test_response_whose_body_failed_is_an_error(log_dir: Path) -> None:
    write(log_dir, request(http__response__status_code=200, level="error"))
    assert top_rows(log_dir)[0]["errors"] == 1


def test_sampled_line_counts_for_the_requests_it_represents(log_dir: Path) -> None:
    write(log_dir, request(0, duration_ms=1.0, db__query_count=2, sample_rate=9))
    write(log_dir, request(1, duration_ms=100.0, db__query_count=12, db__transaction="rolled_back"))
    (row,) = top_rows(log_dir)
    assert (row["requests"], row["time_ms"], row["queries"], row["rolled_back"]) == (10, 109.0, 3.0, 1)
    assert (row["p50_ms"], row["p95_ms"], row["max_ms"]) == (1.0, 100.0, 100.0)


def test_percentile_is_the_lowest_duration_that_this_share_does_not_exceed(log_dir: Path) -> None:
    write(log_dir, *(request(second, duration_ms=float(second + 1)) for second in range(100)))
    (row,) = top_rows(log_dir)
    assert (row["p50_ms"], row["p95_ms"], row["p99_ms"]) == (50.0, 95.0, 99.0)


def percentile(values: Sequence[tuple[float, int]], percent: int) -> float | None:
    """Return the smallest value that `percent` of the values do not exceed. A pair is a value and its number."""
    ordered = sorted(value for value, times in values for _ in range(times))
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else None


@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from([None, *(f"/{letter}/" for letter in "abcdefgh")]),
            st.none() | st.integers(0, 9).map(float) | st.floats(0, 1e6),
            st.none() | st.sampled_from([1, 2, 20, 100]),
        ),
        max_size=100,
    )
)
# Each example reads its own log, with several routes.
@settings(max_examples=12)
def test_percentiles_equal_those_of_unsampled_requests(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str | None, float | None, int | None]]
) -> None:
    directory = tmp_path_factory.mktemp("log")
    rates = ({} if rate is None else {"sample_rate": rate} for _, _, rate in lines)
    write(
        directory,
        *(
            request(http__route=route, duration_ms=ms, **rate)
            for (route, ms, _), rate in zip(lines, rates, strict=True)
        ),
    )
    expected = {}
    for route in {route for route, _, _ in lines}:
        values = [(ms, rate or 1) for other, ms, rate in lines if other == route and ms is not None]
        requests = sum(rate or 1 for other, _, rate in lines if other == route)
        expected[route] = (requests, *(percentile(values, percent) for percent in (50, 95, 99)))
    rows = top_rows(directory)
    assert {row["route"]: (row["requests"], row["p50_ms"], row["p95_ms"], row["p99_ms"]) for row in rows} == expected


@pytest.mark.parametrize("name", [column.name for column in VIEWS["requests"]])
def test_requests_are_grouped_by_any_column(log_dir: Path, name: str) -> None:
    write(log_dir, request(0), request(0), request(0))
    (row,) = top_rows(log_dir, per=[name])
    assert row["requests"] == 3


def test_requests_are_grouped_by_a_noted_key(log_dir: Path) -> None:
    write(log_dir, request(0, tenant="acme"), request(1, tenant="acme"), request(2))
    counted = {row["tenant"]: row["requests"] for row in top_rows(log_dir, per=["tenant"])}
    assert counted == {"acme": 2, None: 1}


def test_requests_are_grouped_by_several_keys(log_dir: Path) -> None:
    write(log_dir, request(0, user__id="1"), request(1, user__id="1", http__response__status_code=404))
    counted = {(row["user_id"], row["status"]): row["requests"] for row in top_rows(log_dir, per=["user.id", "status"])}
    assert counted == {("1", 200): 1, ("1", 404): 1}


@pytest.mark.parametrize("key", ["errors", "weight", "p95_ms", "time_ms", "#0"])
def test_key_may_be_named_like_a_number_of_the_report(log_dir: Path, key: str) -> None:
    write(log_dir, request(0, duration_ms=5.0, **{key: "a"}), request(1, duration_ms=5.0, **{key: "b"}))
    rows = top_rows(log_dir, per=[key])
    assert [row.get(f"extra.{key}", row.get(key)) for row in rows] == ["a", "b"]
    assert [(row["requests"], row["errors"], row["p95_ms"]) for row in rows] == [(1, 0, 5.0), (1, 0, 5.0)]


def test_repeated_column_is_one_group(log_dir: Path) -> None:
    write(log_dir, request())
    assert top_rows(log_dir, per=["route", "http.route"])[0]["requests"] == 1


def test_unknown_column_is_reported_as_it_was_typed(log_dir: Path) -> None:
    write(log_dir, request())
    with pytest.raises(LogAnalysisError, match=r"--per is 'tenent', .* no line has this key"):
        top_rows(log_dir, per=["tenent"])


@pytest.mark.parametrize("by", ORDERS)
def test_rows_are_ordered_by_the_requested_number(log_dir: Path, by: str) -> None:
    for route, factor, errors in (("/low/", 1, 1), ("/high/", 50, 3), ("/middle/", 7, 2)):
        facts = {"duration_ms": 10.0 * factor, "db__query_count": factor, "db__repeated_count": factor}
        well = request(0, http__route=route, **facts, sample_rate=factor)
        failed = {"http__response__status_code": 500, "level": "error"} | facts
        write(log_dir, well, *(request(1, http__route=route, **failed) for _ in range(errors)))
    assert [row["route"] for row in top_rows(log_dir, by)] == ["/high/", "/middle/", "/low/"]


def test_limit_reports_the_number_of_omitted_rows(log_dir: Path) -> None:
    write(log_dir, *(request(0, http__route=f"/{number}/", duration_ms=number) for number in range(5)))
    with database_of(log_dir) as database:
        report = top(database, PLAIN, by="time", limit=2, per=ROUTE)
    assert [row["route"] for row in report.rows] == ["/4/", "/3/"]
    assert report.omitted_count == 3


def test_where_limits_the_counted_requests(log_dir: Path) -> None:
    write(log_dir, request(0, tenant="acme"), request(1, tenant="other"))
    assert top_rows(log_dir, where="tenant = 'acme'")[0]["requests"] == 1


def test_summary_shows_how_many_requests_there_were_and_when(log_dir: Path) -> None:
    write(log_dir, request(0, sample_rate=10), request(10))
    assert text(log_dir)[0] == "11 requests, 2026-01-05 08:30:00 to 08:30:10 UTC, 1.1 per second."


def test_summary_without_requests_says_so(log_dir: Path) -> None:
    write(log_dir, record())
    assert text(log_dir) == ["No requests."]


def test_table_labels_requests_without_a_route(log_dir: Path) -> None:
    write(log_dir, request(http__route=None))
    assert "GET    (no route)" in text(log_dir)[2]


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_table_fits_its_terminal(log_dir: Path, width: int) -> None:
    for number in range(4):
        route = f"/{'车' * 40 * number}/\x1b[2J\t\u202e/"
        write(log_dir, request(0, http__route=route, duration_ms=10.0**number * 12, sample_rate=12_345))
    lines = text(log_dir, Terminal(width, has_colors=False))[1:]
    assert all(len(line) + line.count("车") <= width for line in lines)
    assert not any(character in line for line in lines for character in "\x1b\t\u202e")
