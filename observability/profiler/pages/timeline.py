"""The steps of a request for its page: a list with one entry per repeated query, and a timeline."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from observability.profiler.profile_document import OriginDocument, ProfileDocument, StepDocument

# The minimum width of a bar in percent of the timeline. Narrower bars would be invisible.
MIN_WIDTH = 0.35
MAX_BARS = 1_500

_lane_names = {"span": "spans", "query": "queries", "http_client": "outgoing requests", "log": "log lines"}
_labels = {"http_client": "outgoing request", "log": "log line"}
_transaction_ends = ("commit", "rollback", "release savepoint", "rollback to savepoint")


@dataclass
class ListedStep:
    """An entry of the list: a query (`count` times), a log line, an outgoing request, or a part of a transaction.

    `at_ms` is the start of the first run, `duration_ms` the total duration of all runs. `number` is the position in the
    list. `times` has the start and the duration of each run.
    """

    number: int
    kind: str
    at_ms: float
    duration_ms: float = 0.0
    count: int = 1
    text: str = ""
    full_text: str = ""
    source: str = ""
    level: str = ""
    facts: dict[str, object] = field(default_factory=dict)
    origin: OriginDocument | None = None
    hint: str = ""
    errors: list[str] = field(default_factory=list)
    stack: str = ""
    times: list[tuple[float, float]] = field(default_factory=list)

    @property
    def is_repeated(self) -> bool:
        return self.kind == "query" and self.count > 1

    @property
    def label(self) -> str:
        """The kind in words, or the level of a log line."""
        return self.level or label_of_kind(self.kind)


class Bar(NamedTuple):
    """A bar of a lane. `x` and `width` are in percent. `number` is the number of its step."""

    x: float
    width: float
    number: int
    title: str
    style: str


class Lane(NamedTuple):
    """The bars of one kind of step."""

    name: str
    bars: list[Bar]


class Mark(NamedTuple):
    """A mark of the scale. `x` is in percent."""

    x: float
    label: str


def label_of_kind(kind: str) -> str:
    """Return the kind of a step in words."""
    return _labels.get(kind, kind)


def list_steps(document: ProfileDocument) -> list[ListedStep]:
    """Return the steps of a request. All runs of a statement are one entry at the position of the first run."""
    steps: list[ListedStep] = []
    by_statement: dict[int, ListedStep] = {}
    for each in document["steps"]:
        statement = each.get("statement")
        step = None if statement is None else by_statement.get(statement)
        if step is not None:
            step.count += 1
        else:
            number = len(steps) + 1
            step = _list_step(number, each) if statement is None else _list_query(number, document, each)
            steps.append(step)
            if statement is not None:
                by_statement[statement] = step
        duration_ms = each.get("duration_ms", 0.0)
        step.duration_ms += duration_ms
        step.times.append((each["at_ms"], duration_ms))
        if each.get("error"):
            step.errors.append(each["error"])
    return steps


def _list_query(number: int, document: ProfileDocument, step: StepDocument) -> ListedStep:
    statement = document["statements"][step["statement"]]
    database = statement["database"]
    return ListedStep(
        number,
        "query",
        step["at_ms"],
        text=statement["summary"],
        full_text=statement["text"],
        source="" if database == "default" else database,
        origin=statement["origin"],
        hint=statement["hint"],
    )


def _list_step(number: int, step: StepDocument) -> ListedStep:
    source = step.get("logger") or step.get("source") or ""
    return ListedStep(
        number,
        step["kind"],
        step["at_ms"],
        text=step["text"],
        source="" if source == "default" else source,
        level=step.get("level", ""),
        facts=step.get("facts", {}),
        stack=step.get("stack", ""),
    )


def to_lanes(steps: list[ListedStep], duration_ms: float) -> list[Lane]:
    """Return the lanes that are not empty: transactions, spans, queries, outgoing requests, log lines."""
    whole_ms = max(duration_ms, 0.001)
    lanes = [Lane("transaction", list(_transaction_bars(steps, whole_ms)))]
    for kind, name in _lane_names.items():
        bars = [
            _bar(at_ms, each_ms, whole_ms, step, "repeated" if step.is_repeated else _style(step))
            for step in steps
            if step.kind == kind
            for at_ms, each_ms in step.times
        ]
        lanes.append(Lane(name, bars[:MAX_BARS]))
    return [lane for lane in lanes if lane.bars]


def to_scale(duration_ms: float) -> list[Mark]:
    """Return a mark for each quarter of the duration."""
    return [Mark(25.0 * part, f"{duration_ms * part / 4:.3g} ms") for part in range(5)]


def _style(step: ListedStep) -> str:
    if step.errors or step.level in ("error", "critical"):
        return "failed"
    return "warning" if step.level == "warning" else step.kind


def _bar(at_ms: float, each_ms: float, whole_ms: float, step: ListedStep, style: str) -> Bar:
    x = min(100.0 * at_ms / whole_ms, 100.0 - MIN_WIDTH)
    width = max(min(100.0 * each_ms / whole_ms, 100.0 - x), MIN_WIDTH)
    times = f"at {at_ms:.1f} ms" + (f", {each_ms:.2f} ms" if each_ms else "")
    return Bar(round(x, 3), round(width, 3), step.number, f"{step.text} ({times})", style)


def _transaction_bars(steps: Iterable[ListedStep], whole_ms: float) -> Iterator[Bar]:
    """Yield a bar for each transaction and savepoint. A bar without an end step ends with the request."""
    open_blocks: dict[str, list[ListedStep]] = {}
    for step in steps:
        stack = open_blocks.setdefault(step.source, [])
        if step.kind in ("begin", "savepoint"):
            stack.append(step)
        elif step.kind in _transaction_ends and stack:
            # A commit also ends all open savepoints.
            is_outer = step.kind in ("commit", "rollback")
            start = stack[0] if is_outer else stack.pop()
            if is_outer:
                stack.clear()
            block_ms = step.at_ms + step.duration_ms - start.at_ms
            style = "rolled-back" if "rollback" in step.kind else "committed"
            block = ListedStep(step.number, step.kind, start.at_ms, text=f"{start.text} … {step.text}")
            yield _bar(start.at_ms, block_ms, whole_ms, block, style if is_outer else f"{style} inner")
    for stack in open_blocks.values():
        for start in stack:
            yield _bar(start.at_ms, whole_ms - start.at_ms, whole_ms, start, "rolled-back")
