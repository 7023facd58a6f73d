"""The markers `query_budget` and `no_query_budget`: a test sets the limit of its requests instead of the file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from inspect import signature

import pytest
from django.db import connections

from observability.budgets.query_collector import ALL_DATABASES, CollectedQueries
from observability.text import format_count


class LimitError(ValueError):
    """The arguments of a marker or fixture are not valid. The message says what is wrong and what is allowed."""


@dataclass(frozen=True)
class QueryLimit:
    """The number of queries that may run in the databases `using`. Queries with a text of `allow` do not count."""

    maximum: int | None = None
    exact: int | None = None
    using: str | Sequence[str] = ALL_DATABASES
    allow: tuple[str, ...] = ()

    @property
    def replaces_file_budget(self) -> bool:
        return self.maximum is not None or self.exact is not None

    def describe_excess(self, collected: CollectedQueries) -> str:
        """Return a text such as `12 queries, at most 2 allowed`; "" if the queries are within the limit."""
        ran = format_count(collected.count, "query", "queries")
        if self.maximum is not None and collected.count > self.maximum:
            return f"{ran}, at most {self.maximum} allowed"
        if self.exact is not None and collected.count != self.exact:
            return f"{ran} instead of {self.exact}"
        return ""


def find_limit(item: pytest.Item) -> QueryLimit:
    """Return the limit that the markers of a test set. Each marker needs a reason. Raises `LimitError`."""
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
            raise LimitError(f'{place} has no reason. Write {function.__name__}(…, reason="why")')
    return limit


def query_budget(
    max: int | None = None,  # noqa: A002 - as in the budget file
    exact: int | None = None,
    using: str | Sequence[str] = ALL_DATABASES,
    allow: Iterable[str] = (),
    reason: str = "",  # noqa: ARG001 - for people who read the test
) -> QueryLimit:
    """Return the limit for the arguments of the marker `query_budget` or of a fixture. Raises `LimitError`."""
    __tracebackhide__ = True
    for name, number in (("max", max), ("exact", exact)):
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
            raise LimitError(f"{name} is {number!r}. Allowed: a whole number, 0 or more")
    if isinstance(allow, str) or not isinstance(allow, Iterable):
        raise LimitError(f"allow is {allow!r}. Allowed: a list of texts")
    if not (max is not None or exact is not None or allow):
        raise LimitError("no limit is set. Give max, exact or allow")
    if not isinstance(using, str | list | tuple | set):
        raise LimitError(f"using is {using!r}. Allowed: the alias of a database, or a list of aliases")
    names = [using] if isinstance(using, str) else using
    unknown = [name for name in names if name not in {ALL_DATABASES, *connections}]
    if unknown:
        raise LimitError(
            f"using contains {unknown[0]!r}, which is not in DATABASES. Available: {', '.join(connections)}"
        )
    return QueryLimit(max, exact, using, tuple(allow))


def no_query_budget(reason: str = "") -> QueryLimit:  # noqa: ARG001 - for people who read the test
    """Return an empty limit for the marker `no_query_budget`."""
    return QueryLimit()
