"""The marks on exceptions: what one failure is, and when it counts as reported."""

from typing import Any, Never

import pytest

from observability.core.observation import Observation
from observability.sentry import reporting
from observability.sentry.reporting import MAX_CHAIN, MAX_MARKS, is_reported, mark_reported, walk_chain


class UnreadableError(Exception):
    """An exception whose class lets nobody read or set its attributes, or compare it."""

    def __getattr__(self, name: str) -> Never:
        raise RuntimeError(name)

    def __setattr__(self, name: str, value: object) -> Never:
        raise RuntimeError(name)

    def __bool__(self) -> Never:
        raise RuntimeError

    def __eq__(self, other: object) -> Never:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


class AnsweringError(Exception):
    """An exception that has any attribute, as a wrapper of another object does."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return name


def work() -> Observation:
    return Observation("span", "work")


@pytest.mark.parametrize("class_", [KeyError, UnreadableError, AnsweringError])
def test_exception_of_any_class_is_reported_once_it_is_marked(class_: type[Exception]) -> None:
    error, observation = class_(), work()
    assert not is_reported(error, observation)
    mark_reported(error, observation)
    assert is_reported(error, observation)


def test_exception_object_that_is_raised_again_is_a_failure_of_the_next_work() -> None:
    error = KeyError("isbn")
    mark_reported(error, work())
    assert not is_reported(error, work())


def test_exception_object_is_marked_for_each_work_that_runs_at_the_same_time() -> None:
    error, works = KeyError("isbn"), (work(), work())
    for each in works:
        mark_reported(error, each)
    assert all(is_reported(error, each) for each in works)


def test_exception_is_known_in_all_parts_of_the_work() -> None:
    error, root = KeyError("isbn"), work()
    mark_reported(error, Observation("span", "inner", parent=root))
    assert is_reported(error, root)


def test_exception_is_known_for_a_while_where_the_work_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    error = KeyError("isbn")
    mark_reported(error, None)
    assert is_reported(error, work())
    monkeypatch.setattr(reporting, "MARK_LIFE_S", 0.0)
    assert not is_reported(error, work())


def test_exception_at_the_end_of_a_long_chain_is_reported_with_its_beginning() -> None:
    first = last = ValueError()
    for _ in range(MAX_CHAIN - 1):
        last, cause = ValueError(), last
        last.__cause__ = cause
    mark_reported(first, None)
    assert is_reported(last, None)


def test_longer_chain_is_cut() -> None:
    error = None
    for _ in range(MAX_CHAIN * 2):
        error, cause = ValueError(), error
        error.__cause__ = cause
    assert error is not None
    assert len(list(walk_chain(error))) == MAX_CHAIN


def test_group_is_reported_once_all_of_its_members_are() -> None:
    first, second = KeyError(), ValueError()
    group = ExceptionGroup("both", [first, ExceptionGroup("inner", [second])])
    mark_reported(first, None)
    assert not is_reported(group, None)
    mark_reported(second, None)
    assert is_reported(group, None)


def test_exception_object_has_the_marks_of_the_newest_works_only() -> None:
    error, works = KeyError("isbn"), [work() for _ in range(MAX_MARKS + 1)]
    for each in works:
        mark_reported(error, each)
    assert [is_reported(error, each) for each in works] == [False, *[True] * MAX_MARKS]
