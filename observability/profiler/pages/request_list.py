"""The list of requests: its filter form, and a summary of each request for programs."""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.http import QueryDict

from observability.profiler.profile_store import ProfileFilter, ProfileRow

_status = re.compile(r"(?P<exact>[1-5]\d\d)|(?P<hundreds>[1-5])xx", re.IGNORECASE)


@dataclass
class FilterForm:
    """The filters as the user wrote them. `errors` has an error for each invalid field; these do not filter."""

    path: str = ""
    status: str = ""
    min_ms: str = ""
    request_id: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_query(cls, query: QueryDict) -> "FilterForm":
        return cls(*(str(query.get(name, "")).strip() for name in ("path", "status", "min_ms", "request_id")))  # type: ignore[arg-type] # four strings

    @property
    def is_set(self) -> bool:
        return any((self.path, self.status, self.min_ms, self.request_id))

    def to_filter(self) -> ProfileFilter:
        """Parse the fields. Invalid fields are added to `errors`."""
        return ProfileFilter(self.path, self._parse_status(), self._parse_min_ms(), self.request_id)

    def _parse_status(self) -> tuple[int, int] | None:
        if not self.status:
            return None
        match = _status.fullmatch(self.status)
        if match is None:
            self.errors["status"] = (
                f"{self.status!r} is not a status. Allowed: a status such as 404, or a class of statuses such as 5xx"
            )
            return None
        if match["exact"]:
            return int(match["exact"]), int(match["exact"])
        first = int(match["hundreds"]) * 100
        return first, first + 99

    def _parse_min_ms(self) -> float:
        try:
            min_ms = float(self.min_ms or 0)
        except ValueError:
            min_ms = math.nan
        if not 0 <= min_ms < math.inf:
            self.errors["min_ms"] = f"{self.min_ms!r} is not a duration. Allowed: a number of milliseconds, 0 or more"
            return 0.0
        return min_ms


def to_summary(row: ProfileRow) -> dict[str, object]:
    """Return the values of a request without its document. While it runs, `duration_ms` is the time to its response."""
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
