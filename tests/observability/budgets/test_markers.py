"""The markers `query_budget` and `no_query_budget`."""

import pytest

from observability.budgets.markers import LimitError, QueryLimit, find_limit

mark = pytest.mark


def test_marker_sets_the_limit(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(mark.query_budget(2, using="default", allow=["a"], reason="x"))
    assert find_limit(request.node) == QueryLimit(2, None, "default", ("a",))


def test_test_without_markers_has_no_limit(request: pytest.FixtureRequest) -> None:
    assert not find_limit(request.node).replaces_file_budget


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (
            mark.query_budget(maximum=1, reason="x"),
            "unexpected keyword argument 'maximum'. Allowed: max, exact, using",
        ),
        (mark.query_budget(1, 2, 3, 4, 5, 6), "too many positional arguments"),
        (mark.query_budget(max="1", reason="x"), "max is '1'. Allowed: a whole number, 0 or more"),
        (mark.query_budget(exact=-1, reason="x"), "exact is -1"),
        (mark.query_budget(max=1, allow="auth", reason="x"), "allow is 'auth'. Allowed: a list of texts"),
        (
            mark.query_budget(max=1, using="othr", reason="x"),
            "using contains 'othr', which is not in DATABASES. Available: default",
        ),
        (mark.query_budget(max=1, using=3, reason="x"), "using is 3"),
        (mark.query_budget(reason="x"), "no limit is set. Give max, exact or allow"),
        (mark.query_budget(max=1), 'has no reason. Write query_budget(…, reason="why")'),
        (mark.no_query_budget(" "), 'has no reason. Write no_query_budget(…, reason="why")'),
        (mark.no_query_budget(why="x"), "unexpected keyword argument 'why'. Allowed: reason"),
    ],
)
def test_invalid_marker_is_an_error(wrong: pytest.MarkDecorator, error: str, request: pytest.FixtureRequest) -> None:
    request.node.add_marker(wrong)
    with pytest.raises(LimitError) as failure:
        find_limit(request.node)
    assert error in str(failure.value)
    assert wrong.name in str(failure.value)
