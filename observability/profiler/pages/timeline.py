"""The time line of a call: lanes of bars, from its begin to its end."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from observability.profiler.pages.happenings import Happening

# In percent of the whole: what takes less is still seen.
MIN_WIDTH = 0.35
MAX_BARS = 1_500

_lanes = {"span": "blocks", "query": "queries", "http_client": "calls", "log": "log lines"}
_ends = ("commit", "rollback", "release savepoint", "rollback to savepoint")


@dataclass(frozen=True)
class Bar:
    """A bar: where it begins and how wide it is, both in percent of the lane; `number` is that of its happening."""

    x: float
    width: float
    number: int
    title: str
    style: str


@dataclass(frozen=True)
class Lane:
    """Bars of one kind, with a name."""

    name: str
    bars: list[Bar] = field(default_factory=list)


@dataclass(frozen=True)
class Mark:
    """A line of the scale at `x` percent, and what stands there."""

    x: float
    label: str


def lanes(happenings: list[Happening], duration_ms: float) -> list[Lane]:
    """The lanes that have something in them: transactions first, then blocks of work, queries, calls and log lines."""
    whole_ms = max(duration_ms, 0.001)
    found = [Lane("transaction", list(_transactions(happenings, whole_ms)))]
    for kind, name in _lanes.items():
        bars = [
            _bar(at_ms, each_ms, whole_ms, happening, "repeated" if happening.is_repeated else _style(happening))
            for happening in happenings
            if happening.kind == kind
            for at_ms, each_ms in happening.times
        ]
        found.append(Lane(name, bars[:MAX_BARS]))
    return [lane for lane in found if lane.bars]


def scale(duration_ms: float) -> list[Mark]:
    """Where the quarters of the whole are, in milliseconds."""
    return [Mark(25.0 * part, f"{duration_ms * part / 4:.3g} ms") for part in range(5)]


def _style(happening: Happening) -> str:
    if happening.errors or happening.level in ("error", "critical"):
        return "failed"
    return "warned" if happening.level == "warning" else happening.kind


def _bar(at_ms: float, each_ms: float, whole_ms: float, happening: Happening, style: str) -> Bar:
    x = min(100.0 * at_ms / whole_ms, 100.0 - MIN_WIDTH)
    width = max(min(100.0 * each_ms / whole_ms, 100.0 - x), MIN_WIDTH)
    times = f"at {at_ms:.1f} ms" + (f", {each_ms:.2f} ms" if each_ms else "")
    return Bar(round(x, 3), round(width, 3), happening.number, f"{happening.text} ({times})", style)


def _transactions(happenings: Iterable[Happening], whole_ms: float) -> Iterator[Bar]:
    """A bar for each transaction and savepoint, from its begin to its end; one that never ended lasts to the end."""
    open_ones: dict[str, list[Happening]] = {}
    for happening in happenings:
        stack = open_ones.setdefault(happening.source, [])
        if happening.kind in ("begin", "savepoint"):
            stack.append(happening)
        elif happening.kind in _ends and stack:
            # A commit ends what savepoints are still open.
            is_outer = happening.kind in ("commit", "rollback")
            begun = stack[0] if is_outer else stack.pop()
            if is_outer:
                stack.clear()
            lasted_ms = happening.at_ms + happening.duration_ms - begun.at_ms
            style = "undone" if "rollback" in happening.kind else "kept"
            named = Happening(happening.number, happening.kind, begun.at_ms, text=f"{begun.text} … {happening.text}")
            yield _bar(begun.at_ms, lasted_ms, whole_ms, named, style if is_outer else f"{style} inner")
    for stack in open_ones.values():
        for begun in stack:
            yield _bar(begun.at_ms, whole_ms - begun.at_ms, whole_ms, begun, "undone")
