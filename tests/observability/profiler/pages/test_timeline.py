"""The time line of a call."""

import pytest

from observability.profiler.pages.happenings import happenings
from observability.profiler.pages.timeline import MAX_BARS, MIN_WIDTH, Lane, lanes, scale
from tests.observability.profiler.pages.conftest import call, query, statement, step


def lanes_of(*steps: dict[str, object], duration_ms: float = 100.0, count: int = 1) -> dict[str, Lane]:
    found = happenings(call(list(steps), [statement("a", count)]))
    return {lane.name: lane for lane in lanes(found, duration_ms)}


def test_bar_stands_where_its_query_ran() -> None:
    (bar,) = lanes_of(query(25, 0, duration_ms=50.0))["queries"].bars
    assert (bar.x, bar.width, bar.style) == (25.0, 50.0, "query")


def test_each_run_of_a_repeated_query_has_its_bar() -> None:
    bars = lanes_of(query(10, 0), query(20, 0), count=2)["queries"].bars
    assert [(bar.x, bar.style, bar.number) for bar in bars] == [(10.0, "repeated", 1), (20.0, "repeated", 1)]


def test_transaction_lasts_from_its_begin_to_its_end_and_holds_its_savepoints() -> None:
    bars = lanes_of(step("begin", 0), step("savepoint", 20), step("rollback to savepoint", 30), step("commit", 80))[
        "transaction"
    ].bars
    assert [(bar.x, bar.width, bar.style) for bar in bars] == [(20.0, 10.5, "undone inner"), (0.0, 80.5, "kept")]


def test_transactions_of_two_databases_do_not_end_each_other() -> None:
    bars = lanes_of(step("begin", 0), step("begin", 10, "other"), step("commit", 20), step("rollback", 30, "other"))
    assert [(bar.x, bar.style) for bar in bars["transaction"].bars] == [(0.0, "kept"), (10.0, "undone")]


def test_transaction_that_never_ended_lasts_to_the_end() -> None:
    (bar,) = lanes_of(step("begin", 40))["transaction"].bars
    assert (bar.x, bar.width, bar.style) == (40.0, 60.0, "undone")


@pytest.mark.parametrize(("at_ms", "duration_ms"), [(0.0, 0.0), (100.0, 0.0), (99.9, 500.0), (250.0, 1.0)])
def test_bar_is_seen_and_stays_within_its_lane(at_ms: float, duration_ms: float) -> None:
    (bar,) = lanes_of(query(at_ms, 0, duration_ms=duration_ms))["queries"].bars
    assert bar.width >= MIN_WIDTH
    assert bar.x + bar.width <= 100.001


def test_bars_of_a_lane_are_limited() -> None:
    bars = lanes_of(*(query(number, 0) for number in range(MAX_BARS + 5)), count=MAX_BARS + 5)["queries"].bars
    assert len(bars) == MAX_BARS


def test_call_that_did_nothing_has_no_lane() -> None:
    assert lanes_of(duration_ms=0.0) == {}


def test_scale_has_its_quarters() -> None:
    assert [(mark.x, mark.label) for mark in scale(20.0)][1:4] == [(25.0, "5 ms"), (50.0, "10 ms"), (75.0, "15 ms")]
