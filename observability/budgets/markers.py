"""The markers `query_budget` and `no_query_budget`: a test limits its own requests, instead of the budget file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from inspect import signature

import pytest
from django.db import connections

from observability.budgets.query_collector import ALL_DATABASES, CollectedQueries
from observability.text import format_count


class LimitError(ValueError):
    """A limit is not valid: the message says what is wrong and what is allowed."""


@dataclass(frozen=True)
class QueryLimit:
    """How many queries may run in the databases of `using`; queries that contain a text of `allow` do not count."""

    maximum: int | None = None
    exact: int | None = None
    using: str | Sequence[str] = ALL_DATABASES
    allow: tuple[str, ...] = ()

    @property
    def replaces_file_budget(self) -> bool:
        return self.maximum is not None or self.exact is not None

    def describe_excess(self, collected: CollectedQueries) -> str:
        """Return `12 queries, at most 2 allowed`; empty if the queries are within the limit."""
        ran = format_count(collected.count, "query", "queries")
        if self.maximum is not None and collected.count > self.maximum:
            return f"{ran}, at most {self.maximum} allowed"
        if self.exact is not None and collected.count != self.exact:
            return f"{ran} instead of {self.exact}"
        return ""


def find_limit(item: pytest.Item) -> QueryLimit:
    """Return the limit of the markers of a test; each marker needs a reason. Raises `LimitError`."""
    limit = QueryLimit()
    for function in (no_query_budget, query_budget):
        marker = item.get_closest_marker(function.__name__)
        if marker is None:
            continue
        place = f"the marker {function.__name__} of {item.nodeid}"
        try:
            arguments = signature(function).bind(*marker.args, **marker.kwargs).arguments
            limit = function(*marker.args, **marker.kwargs)
        except LimitError as error:
            raise LimitError(f"{place}: {error}") from None
        except TypeError as error:
            raise LimitError(f"{place}: {error}. Allowed: {', '.join(signature(function).parameters)}") from None
        if not str(arguments.get("reason", "")).strip():
            raise LimitError(f'{place} needs a reason: {function.__name__}(…, reason="why")')
    return limit


def query_budget(
    max: int | None = None,  # noqa: A002 - as in the budget file
    exact: int | None = None,
    using: str | Sequence[str] = ALL_DATABASES,
    allow: Iterable[str] = (),
    reason: str = "",  # noqa: ARG001 - for people who read the test
) -> QueryLimit:
    """Return the limit of the marker with this name, or of a fixture. Raises `LimitError`."""
    __tracebackhide__ = True
    for name, number in (("max", max), ("exact", exact)):
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
            raise LimitError(f"{name} is {number!r}; it is a whole number from 0")
    if isinstance(allow, str) or not isinstance(allow, Iterable):
        raise LimitError(f"allow is {allow!r}; it is a list of texts")
    if not (max is not None or exact is not None or allow):
        raise LimitError("it limits nothing: give max or exact")
    if not isinstance(using, str | list | tuple | set):
        raise LimitError(f"using is {using!r}; it is the name of a database, or a list of names")
    names = [using] if isinstance(using, str) else using
    unknown = [name for name in names if name not in {ALL_DATABASES, *connections}]
    if unknown:
        raise LimitError(f"using names {unknown[0]!r}, which is not a database. Available: {', '.join(connections)}")
    return QueryLimit(max, exact, using, tuple(allow))


def no_query_budget(reason: str = "") -> QueryLimit:  # noqa: ARG001 - for people who read the test
    """Return the limit of the marker with this name: none."""
    return QueryLimit()
