"""The marks on reported exceptions."""

from typing import Any, Never

import pytest

from observability.core.observation import Observation
from observability.sentry import reporting
from observability.sentry.reporting import MAX_CHAIN, MAX_MARKS, is_reported, mark_reported, walk_chain


class UnreadableError(Exception):
    """An exception that raises if its attributes are read or set, or if it is compared."""

    def __getattr__(self, name: str) -> Never:
        raise RuntimeError(name)

    def __setattr__(self, name: str, value: object) -> Never:
        raise RuntimeError(name)

    def __bool__(self) -> Never:
        raise RuntimeError

    def __eq__(self, other: object) -> Never:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


class DynamicAttributesError(Exception):
    """An exception that has a value for any attribute, as a wrapper of another object may have."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return name


def work() -> Observation:
    return Observation("span", "work")


@pytest.mark.parametrize("class_", [KeyError, UnreadableError, DynamicAttributesError])
def test_exception_of_any_class_can_be_marked(class_: type[Exception]) -> None:
    error, observation = class_(), work()
    assert not is_reported(error, observation)
    mark_reported(error, observation)
    assert is_reported(error, observation)


def test_mark_does_not_apply_to_another_unit_of_work() -> None:
    error = KeyError("isbn")
    mark_reported(error, work())
    assert not is_reported(error, work())


def test_exception_has_a_mark_per_unit_of_work() -> None:
    error, works = KeyError("isbn"), (work(), work())
    for each in works:
        mark_reported(error, each)
    assert all(is_reported(error, each) for each in works)


def test_mark_of_a_span_applies_to_its_root() -> None:
    error, root = KeyError("isbn"), work()
    mark_reported(error, Observation("span", "inner", parent=root))
    assert is_reported(error, root)


def test_mark_without_a_unit_of_work_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    error = KeyError("isbn")
    mark_reported(error, None)
    assert is_reported(error, work())
    monkeypatch.setattr(reporting, "MARK_LIFE_S", 0.0)
    assert not is_reported(error, work())


def test_mark_applies_to_the_end_of_a_long_chain() -> None:
    first = last = ValueError()
    for _ in range(MAX_CHAIN - 1):
        last, cause = ValueError(), last
        last.__cause__ = cause
    mark_reported(first, None)
    assert is_reported(last, None)


def test_chain_over_the_limit_is_cut() -> None:
    error = None
    for _ in range(MAX_CHAIN * 2):
        error, cause = ValueError(), error
        error.__cause__ = cause
    assert error is not None
    assert len(list(walk_chain(error))) == MAX_CHAIN


def test_group_is_reported_if_all_members_are() -> None:
    first, second = KeyError(), ValueError()
    group = ExceptionGroup("both", [first, ExceptionGroup("inner", [second])])
    mark_reported(first, None)
    assert not is_reported(group, None)
    mark_reported(second, None)
    assert is_reported(group, None)


def test_only_the_newest_marks_are_kept() -> None:
    error, works = KeyError("isbn"), [work() for _ in range(MAX_MARKS + 1)]
    for each in works:
        mark_reported(error, each)
    assert [is_reported(error, each) for each in works] == [False, *[True] * MAX_MARKS]
