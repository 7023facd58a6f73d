"""The comparison of two requests: totals, and which statements are new, gone or changed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from observability.profiler.pages.request_list import to_summary
from observability.profiler.profile_document import OriginDocument
from observability.profiler.profile_store import StoredProfile


@dataclass
class Side:
    """A statement in one of the requests: how often it ran, and the duration of all runs."""

    count: int = 0
    duration_ms: float = 0.0
    origin: OriginDocument | None = None


@dataclass(frozen=True)
class ComparedStatement:
    """A statement of either request."""

    text: str
    summary: str
    database: str
    first: Side
    second: Side

    @property
    def difference(self) -> int:
        """The number of runs in the second request, minus those in the first."""
        return self.second.count - self.first.count

    @property
    def state(self) -> str:
        """`new` in the second request, `gone` from it, `more`, `fewer` or `same`."""
        if not self.first.count:
            return "new"
        if not self.second.count:
            return "gone"
        return "same" if not self.difference else "more" if self.difference > 0 else "fewer"


class Total(NamedTuple):
    """A number of both requests; None if it is not known."""

    name: str
    first: float | None
    second: float | None
    unit: str = ""

    @property
    def change(self) -> str:
        """The difference with its sign; empty if there is none."""
        if self.first is None or self.second is None or round(self.second - self.first, 2) == 0:
            return ""
        difference = self.second - self.first
        percent = f" ({difference / self.first:+.0%})" if self.first else ""
        return f"{difference:+.4g}{self.unit}{percent}".replace("-", "−")

    @property
    def is_better(self) -> bool | None:
        """Whether the second is less; None if they are equal."""
        return (self.second or 0) < (self.first or 0) if self.change else None


_totals: list[tuple[str, Callable[[StoredProfile], float | None], str]] = [
    ("duration", lambda profile: profile.row.duration_ms, " ms"),
    ("queries", lambda profile: profile.row.query_count, ""),
    ("most repeated", lambda profile: profile.row.repeated_count, ""),
    ("database", lambda profile: profile.document["query_duration_ms"], " ms"),
    ("outgoing requests", lambda profile: profile.document["outgoing_count"], ""),
    ("log lines", lambda profile: sum(step["kind"] == "log" for step in profile.document["steps"]), ""),
    ("body", lambda profile: profile.document["response"]["body"]["bytes"], " bytes"),
]


@dataclass(frozen=True)
class Comparison:
    """Two requests, usually the first one before a change and the second one after it."""

    first: StoredProfile
    second: StoredProfile

    @property
    def both(self) -> tuple[StoredProfile, StoredProfile]:
        return self.first, self.second

    @property
    def totals(self) -> list[Total]:
        return [Total(name, value(self.first), value(self.second), unit) for name, value, unit in _totals]

    @property
    def statements(self) -> list[ComparedStatement]:
        """The statements of both requests by text and database, the largest difference first."""
        statements: dict[tuple[str, str], ComparedStatement] = {}
        for profile, is_second in ((self.first, False), (self.second, True)):
            for each in profile.document["statements"]:
                text, database = key = each["text"], each["database"]
                statement = statements.setdefault(
                    key, ComparedStatement(text, each["summary"], database, Side(), Side())
                )
                side = statement.second if is_second else statement.first
                side.count += each["count"]
                side.duration_ms += each["duration_ms"]
                side.origin = side.origin or each["origin"]
        return sorted(statements.values(), key=lambda each: (-abs(each.difference), each.state == "same"))

    @property
    def caveats(self) -> list[str]:
        """Why the durations cannot be compared."""
        caveats = []
        if self.first.document["with_toolbar"] != self.second.document["with_toolbar"]:
            caveats.append("one of them was measured with the toolbar, which takes longer")
        if bool(self.first.row.silk_url) != bool(self.second.row.silk_url):
            caveats.append("one of them was recorded by silk, which takes longer")
        if (self.first.row.method, self.first.row.route) != (self.second.row.method, self.second.row.route):
            caveats.append("they are requests of different routes")
        if not (self.first.is_closed and self.second.is_closed):
            caveats.append("one of them has not ended")
        return caveats

    @property
    def verdict(self) -> str:
        """What changed most, in one sentence."""
        before, after = self.first.row.query_count or 0, self.second.row.query_count or 0
        if before == after:
            changed = [each for each in self.statements if each.state != "same"]
            return f"{after} queries in both" + (", but not the same ones" if changed else "")
        return f"{abs(after - before)} {'fewer' if after < before else 'more'} queries: {before} before, {after} now"

    def to_dict(self) -> dict[str, object]:
        """Return the comparison for a program."""
        return {
            "first": to_summary(self.first.row),
            "second": to_summary(self.second.row),
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
