"""How much may wait, and for how long: the oldest events go first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from observability.sentry.delivery.spool import Waiting

TOO_OLD = "too old"
TOO_MANY_BYTES = "too many bytes"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of the spool of one project, all processes together."""

    max_bytes: int = 100_000_000
    max_age_s: float = 30 * 24 * 3600.0

    def excess(self, waiting: Sequence[Waiting], now: float) -> Iterator[tuple[Waiting, str]]:
        """What has to go, and why, of events that are sorted from the oldest on; `now` is the time of the clock."""
        excess_bytes = total_bytes(waiting) - self.max_bytes
        for each in waiting:
            is_old = now - each.written_at > self.max_age_s
            if not is_old and excess_bytes <= 0:
                return
            yield each, TOO_OLD if is_old else TOO_MANY_BYTES
            excess_bytes -= each.size_bytes


def total_bytes(waiting: Iterable[Waiting]) -> int:
    """The size of these events."""
    return sum(each.size_bytes for each in waiting)
