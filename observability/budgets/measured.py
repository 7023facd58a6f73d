"""What the tests measured of each `METHOD route`: its maximum, whichever test or worker it came from."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from observability.budgets.budget_file import multiset
from observability.budgets.failure_message import over_budget
from observability.budgets.query_collector import Recording


@dataclass(frozen=True)
class Measured:
    """The largest measurement of a route; `explained` is its statements with their causes, for a failure."""

    count: int
    statements: tuple[str, ...] = ()
    framework: int = 0
    transactions: int = 0
    test: str = ""
    scale: str = ""
    explained: tuple[str, ...] = ()

    def merged(self, other: "Measured") -> "Measured":
        """The larger of both, the same in whichever order; `scale` of either."""
        larger = min(self, other, key=lambda each: (-each.count, each.statements, each.test))
        return replace(larger, scale=self.scale or other.scale)


class Measurements(dict[str, Measured]):
    """By `METHOD route`."""

    def add(self, key: str, measured: Measured) -> None:
        self[key] = self[key].merged(measured) if key in self else measured

    def update_from(self, others: Iterable[tuple[str, Measured]]) -> None:
        for key, measured in others:
            self.add(key, measured)

    def to_json(self) -> str:
        """What a worker of xdist sends."""
        return json.dumps({key: asdict(measured) for key, measured in self.items()})

    @classmethod
    def from_json(cls, text: str) -> "Measurements":
        return cls({key: _measured(values) for key, values in json.loads(text).items()})


def _measured(values: dict[str, Any]) -> Measured:
    lists = {name: tuple(values[name]) for name in ("statements", "explained")}
    return Measured(**values | lists)


def measured(recording: Recording, *, test: str, known: dict[str, int] | None, allow: Iterable[str] = ()) -> Measured:
    """One request; where `known`, the statements of its budget, are exceeded, the causes are kept."""
    kept = recording.only(lambda query: not any(text in query.summary for text in allow)) if allow else recording
    counted: Counter[str] = Counter()
    for query, number in kept.application().items():
        counted[query.summary] += number
    explained = () if known is None else tuple(over_budget("", kept, known)[2:])
    transactions = recording.transactions.total()
    return Measured(kept.count, multiset(counted), recording.framework, transactions, test, "", explained)
