"""Scaling: measure the same call with a few, some and more rows, and describe how its query count grows with them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import pairwise

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.db import connections, transaction

from observability.budgets.failure_message import QueryEntry, format_queries, format_uncounted
from observability.budgets.query_collector import CollectedQueries, Query, QueryCollector
from observability.recorders.query_origin import UNKNOWN_ORIGIN

# Numbers of rows.
DEFAULT_SCALES = (2, 3, 10)

# What ran with each number of rows.
Scales = Mapping[int, CollectedQueries]


class ScalingError(Exception):
    """A call cannot be measured: its request failed, or two runs of it differ."""


def measure_scales(
    collector: QueryCollector,
    populate: Callable[[int], object],
    call: Callable[[], object],
    scales: tuple[int, ...],
    *,
    rolls_back: bool,
) -> dict[int, CollectedQueries]:
    """Return what the call runs with each number of rows. Raises `ScalingError`.

    Everything is rolled back: each number of rows starts from the same database, and each call from the same rows. The
    first call warms what stays between calls (content types, compiled statements) and does not count. The two calls
    after it must run the same queries.
    """
    __tracebackhide__ = True
    if len(set(scales)) < 2:  # noqa: PLR2004 - growth needs two points
        raise ScalingError(f"scales is {scales!r}: give at least two different numbers of rows")
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
        raise ScalingError(f"{first.failed_requests[0]} ({rows} rows): there is nothing to measure")
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
    """Roll back what the block does, in every database that the test uses."""
    with ExitStack() as stack:
        used = [each.alias for each in connections.all(initialized_only=True) if each.connection is not None]
        for alias in used if active else ():
            stack.enter_context(transaction.atomic(using=alias))
            stack.callback(transaction.set_rollback, True, using=alias)  # noqa: FBT003 - it takes no keyword
        yield


def describe_difference(rows: int, first: CollectedQueries, second: CollectedQueries) -> str:
    """Return a message about what differs in two runs of the same call; empty if nothing does."""
    counts = [_count_without_origin(first), _count_without_origin(second)]
    entries = [
        QueryEntry(query, f"{counts[0][query]}x, then {counts[1][query]}x")
        for query in {**counts[0], **counts[1]}
        if counts[0][query] != counts[1][query]
    ]
    if not entries:
        return ""
    title = f"{_format_title({rows: first})} is unstable: two warm runs of the same call with {rows} rows differ"
    hint = "  something changes between the calls (a cache, a random choice, the time): let the test control it"
    return "\n".join([title, "", *format_queries(entries), hint])


def _count_without_origin(collected: CollectedQueries) -> Counter[Query]:
    """Return how often each statement ran, whatever caused it."""
    counts: Counter[Query] = Counter()
    for query, number in collected.queries.items():
        counts[query._replace(origin=UNKNOWN_ORIGIN)] += number
    return counts


def describe_growth(scales: Scales, slope: float) -> str:
    """Return a message about what grows with the rows by more than `slope` queries per row; empty if nothing does."""
    rows = sorted(scales)
    totals = {row: scales[row].total for row in rows}
    if all(totals[b] - totals[a] <= slope * (b - a) for a, b in pairwise(rows)):
        return ""
    last = scales[rows[-1]]
    entries = [_to_entry(query, scales, rows) for query in last.queries]
    entries = [each for each in entries if each.is_at_fault or each.query in last.application_queries()]
    entries.sort(key=lambda each: (not each.is_at_fault, each.query.summary))
    head = [f"{_format_title(scales)} runs more queries the more rows there are", _format_counts(scales, rows, slope)]
    return "\n".join([*head, "", *format_queries(entries), *format_uncounted(last)])


def _format_title(scales: Scales) -> str:
    """Return the routes that were called."""
    routes = list(dict.fromkeys(route for collected in scales.values() for route in collected.routes))
    return ", ".join(routes) or "the call"


def _format_counts(scales: Scales, rows: list[int], slope: float) -> str:
    """Return `  3 at 2 rows, 4 at 3, 11 at 10; budget: …`: the application's queries, or all if only others grow."""
    counts = {row: scales[row].count for row in rows}
    if len(set(counts.values())) == 1:
        counts = {row: scales[row].total for row in rows}
    first, *others = (f"{counts[row]} at {row}" for row in rows)
    allowed = "the same for any number of rows" if slope == 0 else f"{slope:g} more for each row"
    return f"  {', '.join([f'{first} rows', *others])}; budget: {allowed}"


def _to_entry(query: Query, scales: Scales, rows: list[int]) -> QueryEntry:
    times = [scales[row].queries[query] for row in rows]
    label = f"{', '.join(map(str, times))}x" if len(set(times)) > 1 else f"{times[0]}x"
    return QueryEntry(query, label, _format_rate(rows, times), is_at_fault=times[-1] > times[0])


def _format_rate(rows: list[int], times: list[int]) -> str:
    """Return `+1 per row`, or `+1 per 5 rows` if it is less than one; empty if the query does not grow."""
    more_queries, more_rows = times[-1] - times[0], rows[-1] - rows[0]
    if more_queries <= 0:
        return ""
    if more_queries >= more_rows:
        return f"+{round(more_queries / more_rows)} per row"
    return f"+1 per {round(more_rows / more_queries)} rows"
