"""Whether a call runs more queries the more rows there are."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from observability.budgets.failure_message import Shown, footnote, statement_lines
from observability.budgets.query_collector import Query, Recording
from observability.recorders.query_origin import UNKNOWN_ORIGIN

Scales = Mapping[int, Recording]


def title_of(scales: Scales) -> str:
    """What was called: the route, or the routes."""
    routes = list(dict.fromkeys(route for recording in scales.values() for route in recording.routes))
    return ", ".join(routes) or "the call"


def unstable(rows: int, first: Recording, second: Recording) -> str:
    """What differs in two runs of the same call, or nothing."""
    runs = [_by_statement(first), _by_statement(second)]
    shown = [
        Shown(query, f"{runs[0][query]}x, then {runs[1][query]}x")
        for query in {**runs[0], **runs[1]}
        if runs[0][query] != runs[1][query]
    ]
    if not shown:
        return ""
    title = f"{title_of({rows: first})} is unstable: the same call ran twice, both warm, with {rows} rows, and differs"
    hint = "  something is kept between the calls (a cache, a random choice, the time): make the test control it"
    return "\n".join([title, "", *statement_lines(shown), hint])


def _by_statement(recording: Recording) -> Counter[Query]:
    """How often each statement ran, from wherever."""
    counted: Counter[Query] = Counter()
    for query, number in recording.queries.items():
        counted[query._replace(origin=UNKNOWN_ORIGIN)] += number
    return counted


def grown(scales: Scales, slope: float) -> str:
    """What grew with the rows by more than `slope` queries a row, or nothing."""
    rows = sorted(scales)
    totals = {row: scales[row].total for row in rows}
    if all(totals[b] - totals[a] <= slope * (b - a) for a, b in pairwise(rows)):
        return ""
    last = scales[rows[-1]]
    shown = [_shown(query, scales, rows) for query in last.queries]
    shown = [each for each in shown if each.is_at_fault or each.query in last.application()]
    shown.sort(key=lambda each: (not each.is_at_fault, each.query.summary))
    head = [f"{title_of(scales)} runs more queries the more rows there are", _counts(scales, rows, slope), ""]
    return "\n".join([*head, *statement_lines(shown), *filter(None, [footnote(last)])])


def _counts(scales: Scales, rows: list[int], slope: float) -> str:
    """`  3 at 2 rows, 4 at 3, 11 at 10; budget: …`: the application's, unless only the framework's grow."""
    counts = {row: scales[row].count for row in rows}
    if len(set(counts.values())) == 1:
        counts = {row: scales[row].total for row in rows}
    first, *others = (f"{counts[row]} at {row}" for row in rows)
    allowed = "as many for any number of rows" if slope == 0 else f"{slope:g} more for each row"
    return f"  {', '.join([f'{first} rows', *others])}; budget: {allowed}"


def _shown(query: Query, scales: Scales, rows: list[int]) -> Shown:
    times = [scales[row].queries[query] for row in rows]
    rate = _rate(rows, times)
    label = f"{', '.join(map(str, times))}x" if len(set(times)) > 1 else f"{times[0]}x"
    return Shown(query, label, rate, is_at_fault=times[-1] > times[0])


def _rate(rows: list[int], times: list[int]) -> str:
    """`+1 per row`, where it is the same between all scales; `+1 per 5 rows` where it is less than one."""
    more, of = times[-1] - times[0], rows[-1] - rows[0]
    if more <= 0:
        return ""
    return f"+{round(more / of)} per row" if more >= of else f"+1 per {round(of / more)} rows"
