"""One call as it is read from the store."""

from tests.observability.profiler.pages.conftest import call, statement


def test_repeated_statements_are_those_that_ran_more_than_once_the_most_frequent_first() -> None:
    found = call([], [statement("a", 2), statement("b"), statement("c", 5), statement("d", 3)]).repeated
    assert [(each["text"], each["count"]) for each in found] == [("c", 5), ("d", 3), ("a", 2)]
