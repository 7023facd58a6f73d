"""The flame graph as bars. Callers are above. The width of a bar is the total time of a function."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

# In percent of the graph. Narrower bars are not drawn.
MIN_WIDTH = 0.1
# In percent. A narrower bar has no space for a name.
MIN_NAMED_WIDTH = 1.5
# In percent. The Tab key skips narrower bars.
MIN_FOCUSABLE_WIDTH = 5.0
ROW_HEIGHT = 18
MAX_FUNCTIONS = 15
# Dark text is readable on each color, in the light and in the dark theme.
PROJECT_COLOR, LIBRARY_COLOR, WAITING_COLOR = "#f2b27a", "#c3d0dd", "#e6e6e6"
# The graph does not start at a library function that spends this share of its time in one other function.
STEM_SHARE = 0.995
# https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts
SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


class FlameSamples(TypedDict):
    """The stored samples of a request.

    frames: function, place (`path:line`), and whether it is code of the project.
    samples: the indexes of the frames of each sample, outermost first.
    weights_ms: the duration of each sample.
    left_out_ms: the duration of the samples that are not stored because there are too many.
    """

    frames: list[tuple[str, str, bool]]
    samples: list[list[int]]
    weights_ms: list[float]
    left_out_ms: float


@dataclass
class Node:
    """A function on a call path. `duration_ms` includes called functions. `number` identifies the node in the tree."""

    frame: int
    depth: int
    parent: "Node | None" = None
    number: int = 0
    duration_ms: float = 0.0
    children: dict[int, "Node"] = field(default_factory=dict)


class Bar(NamedTuple):
    """A bar. `x` and `width` are in percent, `y` is in pixels. The color shows the kind of code."""

    number: int
    x: float
    y: int
    width: float
    name: str
    title: str
    color: str
    is_caller: bool
    is_named: bool
    is_focusable: bool


class Function(NamedTuple):
    """A function with its own time, and its total time with called functions."""

    name: str
    place: str
    self_ms: float
    total_ms: float
    color: str


class FlameGraph:
    """The graph of a request, or of the part below one of its bars (`start`, the number of a node)."""

    def __init__(self, samples: FlameSamples, start: int | None = None) -> None:
        self.frames = samples["frames"]
        self.samples = samples["samples"]
        self.weights_ms = samples["weights_ms"]
        self.left_out_ms = samples["left_out_ms"]
        self._root = self._build_tree()
        nodes = list(_walk(self._root))
        for number, node in enumerate(nodes):
            node.number = number
        self.is_part = start is not None and 0 < start < len(nodes)
        self._start = nodes[start] if start is not None and self.is_part else self._find_start()
        self.bars = list(self._draw())
        self.height = ROW_HEIGHT * (1 + max((bar.y for bar in self.bars), default=0) // ROW_HEIGHT)

    @property
    def total_ms(self) -> float:
        """The total duration of all samples."""
        return self._root.duration_ms

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The colors and their meanings."""
        return [
            (PROJECT_COLOR, "the project's code"), (LIBRARY_COLOR, "packages and Python"), (WAITING_COLOR, "waiting"),
        ]  # fmt: skip

    @property
    def shown_ms(self) -> float:
        """The duration of the first bar."""
        return self._start.duration_ms

    @property
    def functions(self) -> list[Function]:
        """The functions with the longest own time."""
        own: Counter[int] = Counter()
        total: Counter[int] = Counter()
        for stack, weight_ms in zip(self.samples, self.weights_ms, strict=True):
            own.update({stack[-1]: weight_ms} if stack else {})
            total.update(dict.fromkeys(stack, weight_ms))
        return [
            Function(*self.frames[each][:2], own_ms, total[each], self._color(each))
            for each, own_ms in own.most_common(MAX_FUNCTIONS)
        ]

    def to_dict(self) -> dict[str, object]:
        """Return a summary of the graph for programs."""
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

    def _build_tree(self) -> Node:
        root = Node(-1, 0)
        for stack, weight_ms in zip(self.samples, self.weights_ms, strict=True):
            node = root
            node.duration_ms += weight_ms
            for frame in stack:
                child = node.children.get(frame)
                if child is None:
                    child = node.children[frame] = Node(frame, node.depth + 1, node)
                child.duration_ms += weight_ms
                node = child
        return root

    def _find_start(self) -> Node:
        """Return the first function that belongs to the project, or that calls more than one function."""
        node = self._root
        while node.children:
            child = max(node.children.values(), key=lambda each: each.duration_ms)
            is_project = node is not self._root and self.frames[node.frame][2]
            if is_project or child.duration_ms < STEM_SHARE * node.duration_ms:
                break
            node = child
        return node

    def _draw(self) -> Iterator[Bar]:
        """Yield the bars of the callers of the first function in full width, then those of all called functions."""
        callers = _callers(self._start) if self.is_part else []
        for row, node in enumerate(callers):
            yield self._bar(node, 0.0, 100.0, row, is_caller=True)
        if self._start is self._root and not self._root.children:
            return
        whole_ms = self._start.duration_ms
        pending = [(self._start, 0.0)]
        while pending:
            node, x = pending.pop()
            width = 100.0 * node.duration_ms / whole_ms if whole_ms else 100.0
            if width < MIN_WIDTH:
                continue
            yield self._bar(node, x, width, len(callers) + node.depth - self._start.depth)
            for child in node.children.values():
                pending.append((child, x))
                x += 100.0 * child.duration_ms / whole_ms if whole_ms else 0.0

    def _bar(self, node: Node, x: float, width: float, row: int, *, is_caller: bool = False) -> Bar:
        name, place, _ = self.frames[node.frame] if node is not self._root else ("the request", "", False)
        share = node.duration_ms / self.total_ms if self.total_ms else 1.0
        title = f"{name}{f' {place}' if place else ''}: {node.duration_ms:.1f} ms, {share:.0%} of the request"
        return Bar(
            node.number,
            round(x, 3),
            row * ROW_HEIGHT,
            round(width, 3),
            name,
            title,
            self._color(node.frame),
            is_caller,
            width >= MIN_NAMED_WIDTH,
            width >= MIN_FOCUSABLE_WIDTH,
        )

    def _color(self, frame: int) -> str:
        if frame < 0:
            return LIBRARY_COLOR
        name, _, is_project = self.frames[frame]
        return PROJECT_COLOR if is_project else WAITING_COLOR if name.startswith("[") else LIBRARY_COLOR


def _walk(root: Node) -> Iterator[Node]:
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.children.values())


def _callers(node: Node) -> list[Node]:
    """Return the callers of a function without the root, outermost first."""
    callers = []
    while (parent := node.parent) is not None:
        node = parent
        callers.append(node)
    return callers[-2::-1]


def to_speedscope(samples: FlameSamples, name: str) -> dict[str, Any]:
    """Return the samples in the file format of https://www.speedscope.app, which also works offline."""
    return {
        "$schema": SPEEDSCOPE_SCHEMA,
        "name": name,
        "exporter": "observability",
        "activeProfileIndex": 0,
        "shared": {"frames": [_to_speedscope_frame(name, place) for name, place, _ in samples["frames"]]},
        "profiles": [
            {
                "type": "sampled",
                "name": name,
                "unit": "milliseconds",
                "startValue": 0,
                "endValue": round(sum(samples["weights_ms"]), 3),
                "samples": samples["samples"],
                "weights": samples["weights_ms"],
            }
        ],
    }


def _to_speedscope_frame(name: str, place: str) -> dict[str, str | int]:
    file, _, line = place.rpartition(":")
    return {"name": name, "file": file, "line": int(line)} if file else {"name": name}
