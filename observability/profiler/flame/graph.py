"""A flame graph as bars to draw: callers are above, and how wide a bar is tells the time with all that it called."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# In percent of the whole; what is narrower is not drawn.
MIN_WIDTH = 0.1
# A name in a narrower bar would be one letter.
MIN_NAMED_WIDTH = 1.5
# Bars from this width on are reached by the keyboard.
MIN_TABBED_WIDTH = 5.0
ROW_HEIGHT = 18
MAX_FUNCTIONS = 15
# Dark text can be read on each of them, whatever the colours around are.
OWN, OF_OTHERS, WAITING = "#f2b27a", "#c3d0dd", "#e6e6e6"
# A frame of somebody else that spends nearly all of its time in the one that it calls tells nothing.
STEM_SHARE = 0.995


@dataclass
class Node:
    """A function where it was called from; `ms` is its time with all it called. `number` is its own in the tree."""

    frame: int
    depth: int
    parent: "Node | None" = None
    number: int = 0
    ms: float = 0.0
    children: dict[int, "Node"] = field(default_factory=dict)


@dataclass(frozen=True)
class Bar:
    """A bar: where it begins and how wide it is in percent, how far down in pixels; `fill` says whose code it is."""

    number: int
    x: float
    y: int
    width: float
    name: str
    title: str
    fill: str
    is_caller: bool
    is_named: bool
    is_tabbed: bool


@dataclass(frozen=True)
class Function:
    """A function with the time that it took itself, and that with all that it called, in milliseconds."""

    name: str
    place: str
    self_ms: float
    total_ms: float
    fill: str


class FlameGraph:
    """The graph of a document of `observability.profiler.flame.samples`, drawn from one of its frames on, or whole."""

    def __init__(self, samples: dict[str, Any], start: int | None = None) -> None:
        self.frames: list[tuple[str, str, bool]] = [tuple(each) for each in samples["frames"]]
        self.samples: list[list[int]] = samples["samples"]
        self.weights_ms: list[float] = samples["weights_ms"]
        self.left_out_ms: float = samples["left_out_ms"]
        self._root = self._tree()
        nodes = list(_walk(self._root))
        for number, node in enumerate(nodes):
            node.number = number
        self.is_part = start is not None and 0 < start < len(nodes)
        self._start = nodes[start] if start is not None and self.is_part else self._stem()
        self.bars = list(self._drawn())
        self.height = ROW_HEIGHT * (1 + max((bar.y for bar in self.bars), default=0) // ROW_HEIGHT)

    @property
    def total_ms(self) -> float:
        """The time of all samples."""
        return self._root.ms

    @property
    def legend(self) -> list[tuple[str, str]]:
        """What the colours mean."""
        return [(OWN, "the project's own code"), (OF_OTHERS, "packages and Python"), (WAITING, "waiting")]

    @property
    def shown_ms(self) -> float:
        """The time of the frame that it is drawn from."""
        return self._start.ms

    @property
    def functions(self) -> list[Function]:
        """Those that took the most time themselves."""
        own: Counter[int] = Counter()
        total: Counter[int] = Counter()
        for stack, weight_ms in zip(self.samples, self.weights_ms, strict=True):
            own.update({stack[-1]: weight_ms} if stack else {})
            total.update(dict.fromkeys(stack, weight_ms))
        return [
            Function(*self.frames[each][:2], own_ms, total[each], self._fill(each))
            for each, own_ms in own.most_common(MAX_FUNCTIONS)
        ]

    def told(self) -> dict[str, Any]:
        """What a program is told of it."""
        functions = [
            {
                "function": each.name,
                "place": each.place,
                "self_ms": round(each.self_ms, 3),
                "total_ms": round(each.total_ms, 3),
            }
            for each in self.functions
        ]
        return {"sampled_ms": round(self.total_ms, 3), "functions": functions}

    def _tree(self) -> Node:
        root = Node(-1, 0)
        for stack, weight_ms in zip(self.samples, self.weights_ms, strict=True):
            node = root
            node.ms += weight_ms
            for frame in stack:
                child = node.children.get(frame)
                if child is None:
                    child = node.children[frame] = Node(frame, node.depth + 1, node)
                child.ms += weight_ms
                node = child
        return root

    def _stem(self) -> Node:
        """Where the graph begins to tell something: the first frame of the project, or that calls more than one."""
        node = self._root
        while node.children:
            child = max(node.children.values(), key=lambda each: each.ms)
            if child.ms < STEM_SHARE * node.ms or (node is not self._root and self.frames[node.frame][2]):
                break
            node = child
        return node

    def _drawn(self) -> Iterator[Bar]:
        """The callers of the first frame over its whole width, and all it calls."""
        callers = list(_callers(self._start)) if self.is_part else []
        for row, node in enumerate(callers):
            yield self._bar(node, 0.0, 100.0, row, is_caller=True)
        if self._start is self._root and not self._root.children:
            return
        pending = [(self._start, 0.0)]
        while pending:
            node, x = pending.pop()
            width = 100.0 * node.ms / self._start.ms if self._start.ms else 100.0
            if width < MIN_WIDTH:
                continue
            yield self._bar(node, x, width, len(callers) + node.depth - self._start.depth)
            for child in node.children.values():
                pending.append((child, x))
                x += 100.0 * child.ms / self._start.ms if self._start.ms else 0.0

    def _bar(self, node: Node, x: float, width: float, row: int, *, is_caller: bool = False) -> Bar:
        name, place, _ = self.frames[node.frame] if node is not self._root else ("the call", "", False)
        share = node.ms / self._root.ms if self._root.ms else 1.0
        title = f"{name}{f' {place}' if place else ''}: {node.ms:.1f} ms, {share:.0%} of the call"
        return Bar(
            node.number,
            round(x, 3),
            row * ROW_HEIGHT,
            round(width, 3),
            name,
            title,
            self._fill(node.frame),
            is_caller,
            width >= MIN_NAMED_WIDTH,
            width >= MIN_TABBED_WIDTH,
        )

    def _fill(self, frame: int) -> str:
        if frame < 0:
            return OF_OTHERS
        name, _, is_own = self.frames[frame]
        return OWN if is_own else WAITING if name.startswith("[") else OF_OTHERS


def _walk(root: Node) -> Iterator[Node]:
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.children.values())


def _callers(node: Node) -> Iterator[Node]:
    """Those above it, the outermost first, without the root."""
    found = []
    while (parent := node.parent) is not None:
        node = parent
        found.append(node)
    yield from reversed(found[:-1])
