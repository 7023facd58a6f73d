"""The comparison of two requests."""

import pytest

from observability.profiler.pages.comparison import Comparison
from observability.profiler.profile_document import OriginDocument, StatementDocument
from observability.profiler.profile_store import StoredProfile
from tests.observability.profiler.pages.conftest import NO_ORIGIN, changed, profile, statement


def with_statements(*statements: StatementDocument, **values: object) -> StoredProfile:
    count = sum(each["count"] for each in statements)
    return profile([], statements, **{"query_count": count, "duration_ms": 10.0} | values)


SLOW = with_statements(statement("a", 20), statement("b"), statement("c", 2))
FAST = with_statements(statement("ab"), statement("b"), statement("c", 3))


def test_statements_with_the_largest_difference_come_first() -> None:
    found = [(each.text, each.state, each.difference) for each in Comparison(SLOW, FAST).statements]
    assert found == [("a", "gone", -20), ("c", "more", 1), ("ab", "new", 1), ("b", "same", 0)]


def test_statement_with_two_origins_is_one_entry_with_the_total_duration() -> None:
    twice = with_statements(statement("a", 2, 3.0), statement("a", 1, 4.0))
    (found,) = Comparison(twice, twice).statements
    assert (found.first.count, found.first.duration_ms) == (3, 7.0)


def test_statement_has_the_first_origin_in_each_request() -> None:
    first: OriginDocument = {**NO_ORIGIN, "view": "First.list"}
    second: OriginDocument = {**NO_ORIGIN, "view": "Second.list"}
    before = with_statements(statement("a", origin=first), statement("a", origin=second))
    (found,) = Comparison(before, with_statements(statement("a", origin=second))).statements
    assert (found.first.origin, found.second.origin) == (first, second)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (SLOW, FAST, "18 fewer queries: 23 before, 5 after"),
        (FAST, SLOW, "18 more queries: 5 before, 23 after"),
        (SLOW, SLOW, "23 queries in both requests"),
        (
            with_statements(statement("a")),
            with_statements(statement("b")),
            "1 query in both requests, but not the same queries",
        ),
    ],
)
def test_verdict_describes_the_difference_in_queries(first: StoredProfile, second: StoredProfile, verdict: str) -> None:
    assert Comparison(first, second).verdict == verdict


def test_totals_have_the_labels_and_numbers_of_the_request_pages() -> None:
    before = changed(with_statements(statement("a", 2), repeated_count=2), query_duration_ms=3.0, outgoing_count=1)
    after = changed(with_statements(statement("a"), repeated_count=1), query_duration_ms=1.5, outgoing_count=4)
    shown = [(total.label, total.first, total.second) for total in Comparison(before, after).totals]
    assert shown == [
        ("duration", 10.0, 10.0),
        ("queries", 2, 1),
        ("most repeated query", 2, 1),
        ("query time", 3.0, 1.5),
        ("outgoing requests", 1, 4),
        ("log lines", 0, 0),
        ("response body", before.document["response"]["body"]["bytes"], after.document["response"]["body"]["bytes"]),
    ]


def test_change_of_a_total_has_a_sign_and_a_percentage() -> None:
    totals = {total.name: total for total in Comparison(SLOW, FAST).totals}
    assert (totals["queries"].change, totals["queries"].is_better) == ("−18 (−78%)", True)
    assert (totals["duration"].change, totals["duration"].is_better) == ("", None)


@pytest.mark.parametrize(
    ("second", "caveat"),
    [
        (with_statements(silk_url="/silk/request/1/"), "recorded by silk"),
        (with_statements(route="/other/"), "different routes"),
        (with_statements(is_running=True), "still running"),
        (changed(FAST, with_toolbar=True), "ran with the toolbar"),
    ],
)
def test_caveats_have_the_reasons_why_durations_are_not_comparable(second: StoredProfile, caveat: str) -> None:
    (found,) = Comparison(FAST, second).caveats
    assert caveat in found


def test_comparable_requests_have_no_caveat() -> None:
    assert Comparison(SLOW, FAST).caveats == []
