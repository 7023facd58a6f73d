"""One call as it is read from the store: its row, and its document where the call is over."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from observability.profiler.flame.graph import FlameGraph
from observability.profiler.profiles.store import CALL, FLAME, Row, store

Document = dict[str, Any]

NO_DOCUMENT: Document = {
    "request": {"url": "", "headers": {}, "body": {"text": "", "bytes": 0, "is_cut": False}},
    "response": {"headers": {}, "body": {"text": "", "bytes": 0, "is_cut": False}},
    "steps": [],
    "statements": [],
    "dropped_steps": {},
    "facts": {},
    "exception": None,
}


@dataclass(frozen=True)
class Call:
    """A call of the store; `document` is that of `observability.profiler.profiles.document`, empty while it runs."""

    row: Row
    document: Document

    @property
    def is_over(self) -> bool:
        return self.row.state == "closed"

    @property
    def url(self) -> str:
        """Path and query, without secrets."""
        return self.document["request"]["url"] or self.row.url

    @property
    def flame_samples(self) -> Document | None:
        """What its flame graph is drawn from; None where it has none. It is read from the store each time."""
        data = store().document(self.row.number, FLAME)
        return None if data is None else json.loads(data)

    @property
    def repeated(self) -> list[Document]:
        """The statements that ran more than once for one reason, the most frequent first."""
        found = [each for each in self.document["statements"] if each["count"] > 1]
        return sorted(found, key=lambda each: -each["count"])


def load(row: Row) -> Call:
    """The call of a row; raises `sqlite3.Error` or `OSError` where the file cannot be read."""
    data = store().document(row.number, CALL)
    return Call(row, NO_DOCUMENT if data is None else json.loads(data))


def summary(row: Row) -> Document:
    """What a list tells of a call, for a program. `duration_ms` is that until the answer began while it runs."""
    return {
        "id": row.id,
        "state": row.state,
        "request_id": row.request_id,
        "started_at": datetime.fromtimestamp(row.started_at, UTC).isoformat(timespec="milliseconds"),
        "method": row.method,
        "path": row.path,
        "query": row.query,
        "route": row.route,
        "status": row.status,
        "duration_ms": row.duration_ms,
        "query_count": row.query_count,
        "repeated_count": row.repeated_count,
        "over_budget": bool(row.over_budget),
        "transaction": row.transaction,
        "user_id": row.user_id,
        "failed": bool(row.failed),
        "process": row.process,
        "silk_url": row.silk_url,
    }


def whole(call: Call) -> Document:
    """All that is known of a call, for a program."""
    if not call.is_over:
        return summary(call.row)
    samples = call.flame_samples
    return summary(call.row) | call.document | {"flame_graph": FlameGraph(samples).told() if samples else None}
