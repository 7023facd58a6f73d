"""The form above the list of calls: which of them are shown."""

import re
from dataclasses import dataclass, field

from django.http import QueryDict

from observability.profiler.profiles.store import Wanted

_statuses = re.compile(r"(?P<whole>[1-5]\d\d)|(?P<hundreds>[1-5])xx", re.IGNORECASE)


@dataclass
class Filters:
    """What a developer asked for, as it was written, and what of it is wrong; what is wrong does not filter."""

    path: str = ""
    status: str = ""
    min_ms: str = ""
    request_id: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, query: QueryDict) -> "Filters":
        written = [str(query.get(name, "")).strip() for name in ("path", "status", "min_ms", "request_id")]
        return cls(written[0], written[1], written[2], written[3])

    @property
    def is_set(self) -> bool:
        return any((self.path, self.status, self.min_ms, self.request_id))

    def wanted(self) -> Wanted:
        """Which calls these are; fills `errors`, by the name of the field."""
        return Wanted(self.path, self._wanted_statuses(), self._wanted_ms(), self.request_id)

    def _wanted_statuses(self) -> tuple[int, int] | None:
        if not self.status:
            return None
        match = _statuses.fullmatch(self.status)
        if match is None:
            self.errors["status"] = f"{self.status!r} is no status: a number such as 404, or 5xx for all of them"
            return None
        if match["whole"]:
            return int(match["whole"]), int(match["whole"])
        first = int(match["hundreds"]) * 100
        return first, first + 99

    def _wanted_ms(self) -> float:
        try:
            return max(0.0, float(self.min_ms or 0))
        except ValueError:
            self.errors["min_ms"] = f"{self.min_ms!r} is no number of milliseconds"
            return 0.0
