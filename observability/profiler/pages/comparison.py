"""The comparison of two requests: totals, and new, removed and changed statements."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from observability.profiler.pages.request_list import to_summary
from observability.profiler.profile_document import OriginDocument
from observability.profiler.profile_store import StoredProfile
from observability.text import format_count


@dataclass
class Side:
    """A statement in one of the requests: the number of its runs, and their total duration."""

    count: int = 0
    duration_ms: float = 0.0
    origin: OriginDocument | None = None


@dataclass(frozen=True)
class ComparedStatement:
    """A statement that ran in at least one of the requests."""

    text: str
    summary: str
    database: str
    first: Side
    second: Side

    @property
    def difference(self) -> int:
        """The number of runs in the second request minus the number of runs in the first request."""
        return self.second.count - self.first.count

    @property
    def state(self) -> str:
        """`new` (only in the second request), `gone` (only in the first one), `more`, `fewer` or `same`."""
        if not self.first.count:
            return "new"
        if not self.second.count:
            return "gone"
        return "same" if not self.difference else "more" if self.difference > 0 else "fewer"


class Total(NamedTuple):
    """A number for both requests; None if it is not known."""

    name: str
    first: float | None
    second: float | None
    unit: str = ""

    @property
    def label(self) -> str:
        """The name on the page; `name` is the key in the JSON."""
        return _labels.get(self.name, self.name)

    @property
    def change(self) -> str:
        """The difference with its sign; empty if the numbers are equal."""
        if self.first is None or self.second is None or round(self.second - self.first, 2) == 0:
            return ""
        difference = self.second - self.first
        percent = f" ({difference / self.first:+.0%})" if self.first else ""
        return f"{difference:+.4g}{self.unit}{percent}".replace("-", "−")

    @property
    def is_better(self) -> bool | None:
        """Whether the second number is smaller; None if the numbers are equal."""
        return (self.second or 0) < (self.first or 0) if self.change else None


_labels = {"most repeated": "most repeated query", "database": "query time", "body": "response body"}
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
    """Two requests, usually one before and one after a change of the code."""

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
        """The statements of both requests, by text and database, largest difference first."""
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
        """The reasons why the durations are not comparable."""
        caveats = []
        if self.first.document["with_toolbar"] != self.second.document["with_toolbar"]:
            caveats.append("only one of the requests ran with the toolbar, which takes additional time")
        if bool(self.first.row.silk_url) != bool(self.second.row.silk_url):
            caveats.append("only one of the requests was recorded by silk, which takes additional time")
        if (self.first.row.method, self.first.row.route) != (self.second.row.method, self.second.row.route):
            caveats.append("the requests have different routes")
        if not (self.first.is_closed and self.second.is_closed):
            caveats.append("one of the requests is still running or was lost")
        return caveats

    @property
    def verdict(self) -> str:
        """The most important change in one sentence."""
        before, after = self.first.row.query_count or 0, self.second.row.query_count or 0
        if before == after:
            changed = [each for each in self.statements if each.state != "same"]
            text = f"{format_count(after, 'query', 'queries')} in both requests"
            return f"{text}, but not the same queries" if changed else text
        kind = "fewer" if after < before else "more"
        difference = format_count(abs(after - before), f"{kind} query", f"{kind} queries")
        return f"{difference}: {before} before, {after} after"

    def to_dict(self) -> dict[str, object]:
        """Return the comparison as data for programs."""
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
