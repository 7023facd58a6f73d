"""What a test says of its own requests or of a block: how many queries they may run, instead of the file's budget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from inspect import signature

import pytest
from django.db import connections

from observability.budgets.failure_message import queries
from observability.budgets.query_collector import ALL_DATABASES, Recording


class LimitError(ValueError):
    """A limit that cannot be held: the message says what is wrong, and what is allowed."""


@dataclass(frozen=True)
class Limit:
    """How many queries may run, in the databases of `using`; those that contain a text of `allow` do not count."""

    maximum: int | None = None
    exact: int | None = None
    using: str | Sequence[str] = ALL_DATABASES
    allow: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether the budget of the test stands for that of the file."""
        return self.maximum is not None or self.exact is not None

    def broken_by(self, recording: Recording) -> str:
        """`12 queries, at most 2 allowed`, or nothing."""
        if self.maximum is not None and recording.count > self.maximum:
            return f"{queries(recording.count)}, at most {self.maximum} allowed"
        if self.exact is not None and recording.count != self.exact:
            return f"{queries(recording.count)} instead of {self.exact}"
        return ""


def query_budget(
    max: int | None = None,  # noqa: A002 - as in the budget file
    exact: int | None = None,
    using: str | Sequence[str] = ALL_DATABASES,
    allow: Iterable[str] = (),
    reason: str = "",  # noqa: ARG001 - for who reads the test
) -> Limit:
    """The limit that the mark of this name, or a fixture, gives. Raises `LimitError`."""
    __tracebackhide__ = True
    for name, number in (("max", max), ("exact", exact)):
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
            raise LimitError(f"{name} is {number!r}; it is a whole number from 0")
    if isinstance(allow, str) or not isinstance(allow, Iterable):
        raise LimitError(f"allow is {allow!r}; it is a list of texts")
    if not (max is not None or exact is not None or allow):
        raise LimitError("it holds nothing: give max or exact")
    if not isinstance(using, str | list | tuple | set):
        raise LimitError(f"using is {using!r}; it is the name of a database, or a list of names")
    names = [using] if isinstance(using, str) else using
    unknown = [name for name in names if name not in {ALL_DATABASES, *connections}]
    if unknown:
        raise LimitError(f"using names {unknown[0]!r}; the databases are {', '.join(connections)}")
    return Limit(max, exact, using, tuple(allow))


def no_query_budget(reason: str = "") -> Limit:  # noqa: ARG001 - for who reads the test
    """What the mark of this name gives: nothing to hold."""
    return Limit()


def limit_of(item: pytest.Item) -> Limit:
    """What the marks of a test say, each of which needs a reason. Raises `LimitError`."""
    found = Limit()
    for known in (no_query_budget, query_budget):
        mark = item.get_closest_marker(known.__name__)
        if mark is None:
            continue
        place = f"the mark {known.__name__} of {item.nodeid}"
        try:
            given = signature(known).bind(*mark.args, **mark.kwargs).arguments
            found = known(*mark.args, **mark.kwargs)
        except LimitError as error:
            raise LimitError(f"{place}: {error}") from None
        except TypeError as error:
            raise LimitError(f"{place}: {error}; known are {', '.join(signature(known).parameters)}") from None
        if not str(given.get("reason", "")).strip():
            raise LimitError(f'{place} needs a reason: {known.__name__}(…, reason="why")')
    return found
