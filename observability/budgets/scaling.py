"""Scaling: measure the same call with several numbers of rows, and describe how its number of queries grows."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import pairwise

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.db import connections, transaction

from observability.budgets.failure_message import QueryEntry, format_queries, format_uncounted
from observability.budgets.query_collector import CollectedQueries, Query, QueryCollector
from observability.recorders.query_origin import UNKNOWN_ORIGIN
from observability.text import format_count

# Numbers of rows.
DEFAULT_SCALES = (2, 3, 10)

# The collected queries by number of rows.
Scales = Mapping[int, CollectedQueries]


class ScalingError(Exception):
    """A call cannot be measured: its request failed, two runs of it differ, or `scales` is not valid."""


def measure_scales(
    collector: QueryCollector,
    populate: Callable[[int], object],
    call: Callable[[], object],
    scales: tuple[int, ...],
    *,
    rolls_back: bool,
) -> dict[int, CollectedQueries]:
    """Return the queries of the call for each number of rows. Raises `ScalingError`.

    All changes are rolled back, so each number of rows starts with the same database, and each call with the same rows.
    The first call only fills caches (content types, compiled SQL) and is not measured. With each number of rows, the
    call is then measured twice, and both runs must have the same queries.
    """
    __tracebackhide__ = True
    if len(set(scales)) < 2:  # noqa: PLR2004 - growth needs two points
        raise ScalingError(f"scales is {scales!r}. Allowed: at least two different numbers of rows")
    run = async_to_sync(call) if iscoroutinefunction(call) else call
    results: dict[int, CollectedQueries] = {}
    for rows in scales:
        with _rolled_back(active=rolls_back):
            with collector.paused():
                populate(rows)
                if not results:
                    with _rolled_back(active=rolls_back):
                        run()
            results[rows] = _measure_twice(collector, run, rows, rolls_back=rolls_back)
    return results


def _measure_twice(
    collector: QueryCollector, run: Callable[[], object], rows: int, *, rolls_back: bool
) -> CollectedQueries:
    __tracebackhide__ = True
    first, second = (_measure(collector, run, rolls_back=rolls_back) for _ in range(2))
    if first.failed_requests:
        raise ScalingError(
            f"{first.failed_requests[0]} with {format_count(rows, 'row')}. Only successful requests can be measured"
        )
    difference = describe_difference(rows, first, second)
    if difference:
        raise ScalingError(difference)
    return second


def _measure(collector: QueryCollector, run: Callable[[], object], *, rolls_back: bool) -> CollectedQueries:
    __tracebackhide__ = True
    with _rolled_back(active=rolls_back), collector.collect() as collected:
        run()
    return collected


@contextmanager
def _rolled_back(*, active: bool) -> Iterator[None]:
    """Roll back the changes of the block in every database that the test uses."""
    with ExitStack() as stack:
        used = [each.alias for each in connections.all(initialized_only=True) if each.connection is not None]
        for alias in used if active else ():
            stack.enter_context(transaction.atomic(using=alias))
            stack.callback(transaction.set_rollback, True, using=alias)  # noqa: FBT003 - it takes no keyword
        yield


def describe_difference(rows: int, first: CollectedQueries, second: CollectedQueries) -> str:
    """Return a message about queries that differ in two runs of the same call; "" if both runs are equal."""
    counts = [_count_without_origin(first), _count_without_origin(second)]
    entries = [
        QueryEntry(query, f"{counts[0][query]}x, then {counts[1][query]}x")
        for query in {**counts[0], **counts[1]}
        if counts[0][query] != counts[1][query]
    ]
    if not entries:
        return ""
    call = _format_routes({rows: first})
    title = f"{call} ran different queries in two runs with the same {format_count(rows, 'row')}"
    hint = "  a cache, a random value or the current time can cause this: fix it in the test"
    return "\n".join([title, "", *format_queries(entries), hint])


def _count_without_origin(collected: CollectedQueries) -> Counter[Query]:
    """Return how often each query ran, without its origin."""
    counts: Counter[Query] = Counter()
    for query, number in collected.queries.items():
        counts[query._replace(origin=UNKNOWN_ORIGIN)] += number
    return counts


def describe_growth(scales: Scales, slope: float) -> str:
    """Return a message if the number of queries grows by more than `slope` per row; otherwise ""."""
    rows = sorted(scales)
    totals = {row: scales[row].total for row in rows}
    if all(totals[b] - totals[a] <= slope * (b - a) for a, b in pairwise(rows)):
        return ""
    last = scales[rows[-1]]
    entries = [_to_entry(query, scales, rows) for query in last.queries]
    entries = [each for each in entries if each.is_at_fault or each.query in last.application_queries()]
    entries.sort(key=lambda each: (not each.is_at_fault, each.query.summary))
    head = [f"{_format_routes(scales)} runs more queries for more rows", _format_counts(scales, rows, slope)]
    return "\n".join([*head, "", *format_queries(entries), *format_uncounted(last)])


def _format_routes(scales: Scales) -> str:
    """Return the measured routes; "the call" if it sent no request."""
    routes = list(dict.fromkeys(route for collected in scales.values() for route in collected.routes))
    return ", ".join(routes) or "the call"


def _format_counts(scales: Scales, rows: list[int], slope: float) -> str:
    """Return `  3 queries with 2 rows, 4 with 3, 11 with 10; allowed: …`.

    It has the numbers of application queries; if these do not grow, of all queries.
    """
    counts = {row: scales[row].count for row in rows}
    if len(set(counts.values())) == 1:
        counts = {row: scales[row].total for row in rows}
    first = f"{format_count(counts[rows[0]], 'query', 'queries')} with {format_count(rows[0], 'row')}"
    others = [f"{counts[row]} with {row}" for row in rows[1:]]
    allowed = "the same number for any number of rows" if slope == 0 else f"{slope:g} more per row"
    return f"  {', '.join([first, *others])}; allowed: {allowed}"


def _to_entry(query: Query, scales: Scales, rows: list[int]) -> QueryEntry:
    times = [scales[row].queries[query] for row in rows]
    label = f"{', '.join(map(str, times))}x" if len(set(times)) > 1 else f"{times[0]}x"
    return QueryEntry(query, label, _format_rate(rows, times), is_at_fault=times[-1] > times[0])


def _format_rate(rows: list[int], times: list[int]) -> str:
    """Return `+1 per row`, or `+1 per 5 rows` for a smaller rate; "" if the count does not grow."""
    more_queries, more_rows = times[-1] - times[0], rows[-1] - rows[0]
    if more_queries <= 0:
        return ""
    if more_queries >= more_rows:
        return f"+{round(more_queries / more_rows)} per row"
    return f"+1 per {round(more_rows / more_queries)} rows"
