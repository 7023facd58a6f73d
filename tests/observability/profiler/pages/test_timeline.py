"""The list and the timeline of the steps of a request."""

import pytest

from observability.profiler.pages.timeline import MAX_BARS, MIN_WIDTH, Lane, list_steps, to_lanes, to_scale
from observability.profiler.profile_document import StepDocument
from tests.observability.profiler.pages.conftest import profile, query, statement, step


def lanes_of(*steps: StepDocument, duration_ms: float = 100.0, count: int = 1) -> dict[str, Lane]:
    found = list_steps(profile(steps, [statement("a", count)]).document)
    return {lane.name: lane for lane in to_lanes(found, duration_ms)}


def test_bar_is_at_the_time_of_its_query() -> None:
    (bar,) = lanes_of(query(25, 0, duration_ms=50.0))["queries"].bars
    assert (bar.x, bar.width, bar.style) == (25.0, 50.0, "query")


def test_each_run_of_a_repeated_query_has_a_bar() -> None:
    bars = lanes_of(query(10, 0), query(20, 0), count=2)["queries"].bars
    assert [(bar.x, bar.style, bar.number) for bar in bars] == [(10.0, "repeated", 1), (20.0, "repeated", 1)]


def test_bar_of_a_transaction_includes_its_savepoints() -> None:
    bars = lanes_of(step("begin", 0), step("savepoint", 20), step("rollback to savepoint", 30), step("commit", 80))[
        "transaction"
    ].bars
    assert [(bar.x, bar.width, bar.style) for bar in bars] == [
        (20.0, 10.5, "rolled-back inner"),
        (0.0, 80.5, "committed"),
    ]


def test_transactions_of_two_databases_do_not_end_each_other() -> None:
    bars = lanes_of(step("begin", 0), step("begin", 10, "other"), step("commit", 20), step("rollback", 30, "other"))
    assert [(bar.x, bar.style) for bar in bars["transaction"].bars] == [(0.0, "committed"), (10.0, "rolled-back")]


def test_transaction_without_an_end_lasts_until_the_end_of_the_request() -> None:
    (bar,) = lanes_of(step("begin", 40))["transaction"].bars
    assert (bar.x, bar.width, bar.style) == (40.0, 60.0, "rolled-back")


@pytest.mark.parametrize(("at_ms", "duration_ms"), [(0.0, 0.0), (100.0, 0.0), (99.9, 500.0), (250.0, 1.0)])
def test_bar_is_visible_and_inside_its_lane(at_ms: float, duration_ms: float) -> None:
    (bar,) = lanes_of(query(at_ms, 0, duration_ms=duration_ms))["queries"].bars
    assert bar.width >= MIN_WIDTH
    assert bar.x + bar.width <= 100.001


def test_number_of_bars_in_a_lane_is_limited() -> None:
    bars = lanes_of(*(query(number, 0) for number in range(MAX_BARS + 5)), count=MAX_BARS + 5)["queries"].bars
    assert len(bars) == MAX_BARS


def test_request_without_steps_has_no_lane() -> None:
    assert lanes_of(duration_ms=0.0) == {}


def test_scale_has_a_mark_for_each_quarter() -> None:
    assert [(mark.x, mark.label) for mark in to_scale(20.0)][1:4] == [(25.0, "5 ms"), (50.0, "10 ms"), (75.0, "15 ms")]


def test_runs_of_a_statement_are_one_entry_at_the_position_of_the_first_run() -> None:
    found = list_steps(
        profile([query(1, 0), query(2, 1), query(3, 1), query(4, 0)], [statement("a", 2), statement("b", 2)]).document
    )
    assert [(each.text, each.count, each.at_ms, each.duration_ms) for each in found] == [("a", 2, 1, 2), ("b", 2, 2, 2)]
    assert found[0].times == [(1, 1.0), (4, 1.0)]


def test_statement_shows_its_database_unless_it_is_the_default() -> None:
    found = list_steps(profile([query(1, 0), query(2, 1)], [statement("a"), statement("b", database="silk")]).document)
    assert [each.source for each in found] == ["", "silk"]


def test_error_of_each_run_is_listed() -> None:
    (entry,) = list_steps(
        profile([query(1, 0), query(2, 0, error="IntegrityError: twice")], [statement("a", 2)]).document
    )
    assert entry.errors == ["IntegrityError: twice"]


def test_entries_are_numbered_in_order() -> None:
    found = list_steps(
        profile([step("begin", 0), query(1, 0), query(2, 0), step("commit", 3)], [statement("a", 2)]).document
    )
    assert [(each.number, each.kind) for each in found] == [(1, "begin"), (2, "query"), (3, "commit")]
