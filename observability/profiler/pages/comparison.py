"""Two calls side by side: which statements came and went, and what each of them took."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from observability.profiler.pages.call import Call, summary

Document = dict[str, Any]


@dataclass
class Side:
    """What one call spent on a statement: how often it ran, and the milliseconds of all runs."""

    count: int = 0
    duration_ms: float = 0.0
    cause: Document | None = None


@dataclass(frozen=True)
class Statement:
    """A statement of either call."""

    text: str
    short: str
    database: str
    first: Side
    second: Side

    @property
    def difference(self) -> int:
        """How many more times the second call ran it."""
        return self.second.count - self.first.count

    @property
    def state(self) -> str:
        """`new` in the second call, `gone` from it, `more`, `fewer` or `same`."""
        if not self.first.count:
            return "new"
        if not self.second.count:
            return "gone"
        return "same" if not self.difference else "more" if self.difference > 0 else "fewer"


@dataclass(frozen=True)
class Total:
    """A number of both calls, or None; the words for it, and how it is written."""

    name: str
    first: float | None
    second: float | None
    unit: str = ""

    @property
    def change(self) -> str:
        """How the second differs, with its sign; nothing where it does not."""
        if self.first is None or self.second is None or round(self.second - self.first, 2) == 0:
            return ""
        difference = self.second - self.first
        percent = f" ({difference / self.first:+.0%})" if self.first else ""
        return f"{difference:+.4g}{self.unit}{percent}".replace("-", "−")

    @property
    def is_better(self) -> bool | None:
        """Whether the second is less; None where they are the same."""
        return (self.second or 0) < (self.first or 0) if self.change else None


_totals: list[tuple[str, Callable[[Call], float | None], str]] = [
    ("duration", lambda call: call.row.duration_ms, " ms"),
    ("queries", lambda call: call.row.query_count, ""),
    ("most repeated", lambda call: call.row.repeated_count, ""),
    ("database", lambda call: call.document.get("query_duration_ms"), " ms"),
    ("calls to others", lambda call: call.document.get("outgoing_count"), ""),
    ("log lines", lambda call: sum(step["kind"] == "log" for step in call.document["steps"]), ""),
    ("body", lambda call: call.document["response"]["body"]["bytes"], " bytes"),
]


@dataclass(frozen=True)
class Comparison:
    """Two calls, the first one usually before a change and the second one after it."""

    first: Call
    second: Call

    @property
    def both(self) -> tuple[Call, Call]:
        return self.first, self.second

    @property
    def totals(self) -> list[Total]:
        return [Total(name, value(self.first), value(self.second), unit) for name, value, unit in _totals]

    @property
    def statements(self) -> list[Statement]:
        """Those of both, by what they are: what differs most comes first."""
        found: dict[tuple[str, str], Statement] = {}
        for call, is_second in ((self.first, False), (self.second, True)):
            for each in call.document["statements"]:
                key = each["text"], each["database"]
                statement = found.setdefault(key, Statement(each["text"], each["short"], key[1], Side(), Side()))
                side = statement.second if is_second else statement.first
                side.count += each["count"]
                side.duration_ms += each["duration_ms"]
                side.cause = side.cause or each["cause"]
        return sorted(found.values(), key=lambda each: (-abs(each.difference), each.state == "same"))

    @property
    def caveats(self) -> list[str]:
        """Why their times cannot be compared as they are."""
        found = []
        if self.first.document.get("with_toolbar") != self.second.document.get("with_toolbar"):
            found.append("one of them was measured with the toolbar, which takes longer")
        if bool(self.first.row.silk_url) != bool(self.second.row.silk_url):
            found.append("one of them was recorded by silk, which takes longer")
        if (self.first.row.method, self.first.row.route) != (self.second.row.method, self.second.row.route):
            found.append("they are calls of different routes")
        if not (self.first.is_over and self.second.is_over):
            found.append("one of them is not over")
        return found

    @property
    def verdict(self) -> str:
        """What changed most, in one sentence."""
        before, after = self.first.row.query_count or 0, self.second.row.query_count or 0
        if before == after:
            changed = [each for each in self.statements if each.state != "same"]
            return f"{after} queries in both" + (", but not the same ones" if changed else "")
        return f"{abs(after - before)} {'fewer' if after < before else 'more'} queries: {before} before, {after} now"

    def told(self) -> Document:
        """The comparison for a program."""
        return {
            "first": summary(self.first.row),
            "second": summary(self.second.row),
            "verdict": self.verdict,
            "caveats": self.caveats,
            "totals": {each.name: [each.first, each.second] for each in self.totals},
            "statements": [
                {
                    "text": each.text,
                    "database": each.database,
                    "state": each.state,
                    "count": [each.first.count, each.second.count],
                    "duration_ms": [round(each.first.duration_ms, 3), round(each.second.duration_ms, 3)],
                }
                for each in self.statements
            ],
        }
