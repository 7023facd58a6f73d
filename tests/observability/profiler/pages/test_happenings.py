"""What happened in a call, in order."""

from observability.profiler.pages.happenings import happenings
from tests.observability.profiler.pages.conftest import call, query, statement, step


def test_queries_of_one_statement_are_one_entry_where_the_first_of_them_ran() -> None:
    found = happenings(
        call([query(1, 0), query(2, 1), query(3, 1), query(4, 0)], [statement("a", 2), statement("b", 2)])
    )
    assert [(each.text, each.count, each.at_ms, each.duration_ms) for each in found] == [("a", 2, 1, 2), ("b", 2, 2, 2)]
    assert found[0].times == [(1, 1.0), (4, 1.0)]


def test_statement_is_told_with_its_database_unless_that_is_the_default() -> None:
    found = happenings(call([query(1, 0), query(2, 1)], [statement("a"), statement("b", database="silk")]))
    assert [each.source for each in found] == ["", "silk"]


def test_error_of_any_of_them_is_told() -> None:
    (entry,) = happenings(call([query(1, 0), query(2, 0, error="IntegrityError: twice")], [statement("a", 2)]))
    assert entry.errors == ["IntegrityError: twice"]


def test_entries_are_numbered_in_order() -> None:
    found = happenings(call([step("begin", 0), query(1, 0), query(2, 0), step("commit", 3)], [statement("a", 2)]))
    assert [(each.number, each.kind) for each in found] == [(1, "begin"), (2, "query"), (3, "commit")]
