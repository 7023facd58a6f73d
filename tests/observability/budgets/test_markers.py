"""What the marks of a test say."""

import pytest

from observability.budgets.markers import Limit, LimitError, limit_of

mark = pytest.mark


def test_marks_give_a_limit(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(mark.query_budget(2, using="default", allow=["a"], reason="x"))
    assert limit_of(request.node) == Limit(2, None, "default", ("a",))


def test_test_without_marks_has_no_limit(request: pytest.FixtureRequest) -> None:
    assert not limit_of(request.node).is_own


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (
            mark.query_budget(maximum=1, reason="x"),
            "unexpected keyword argument 'maximum'; known are max, exact, using",
        ),
        (mark.query_budget(1, 2, 3, 4, 5, 6), "too many positional arguments"),
        (mark.query_budget(max="1", reason="x"), "max is '1'; it is a whole number from 0"),
        (mark.query_budget(exact=-1, reason="x"), "exact is -1"),
        (mark.query_budget(max=1, allow="auth", reason="x"), "allow is 'auth'; it is a list of texts"),
        (mark.query_budget(max=1, using="othr", reason="x"), "using names 'othr'; the databases are default"),
        (mark.query_budget(max=1, using=3, reason="x"), "using is 3"),
        (mark.query_budget(reason="x"), "it holds nothing"),
        (mark.query_budget(max=1), 'needs a reason: query_budget(…, reason="why")'),
        (mark.no_query_budget(" "), 'needs a reason: no_query_budget(…, reason="why")'),
        (mark.no_query_budget(why="x"), "unexpected keyword argument 'why'; known are reason"),
    ],
)
def test_mark_that_cannot_be_held_is_refused(
    wrong: pytest.MarkDecorator, error: str, request: pytest.FixtureRequest
) -> None:
    request.node.add_marker(wrong)
    with pytest.raises(LimitError) as refusal:
        limit_of(request.node)
    assert error in str(refusal.value)
    assert wrong.name in str(refusal.value)
