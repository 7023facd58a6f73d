"""Compute the report of `logs top` with a Python loop and orjson: `python -m benchmarks._reading_loop DIRECTORY`."""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson


class Group:
    """The requests of one route."""

    def __init__(self) -> None:
        self.durations: list[tuple[float, float]] = []
        self.requests = 0.0
        self.errors = 0.0
        self.queries = 0.0
        self.time_ms = 0.0

    def add(self, line: dict[str, Any]) -> None:
        weight = line.get("sample_rate", 1)
        duration_ms = line["duration_ms"]
        self.durations.append((duration_ms, weight))
        self.requests += weight
        self.queries += weight * line["db.query_count"]
        self.time_ms += weight * duration_ms
        if line["http.response.status_code"] >= 500:  # noqa: PLR2004 - a status
            self.errors += weight

    def percentiles(self, *shares: float) -> list[float]:
        """Return for each share the smallest duration that this share of the requests did not exceed."""
        self.durations.sort()
        found, rank, wanted = [], 0.0, list(shares)
        for duration_ms, weight in self.durations:
            rank += weight
            while wanted and rank >= wanted[0] * self.requests:
                found.append(duration_ms)
                wanted.pop(0)
        return found


def main(directory: Path) -> None:
    """Print route, requests, errors, queries and percentiles, sorted by total time."""
    groups: dict[tuple[str, str], Group] = defaultdict(Group)
    for path in directory.glob("service.jsonl*"):
        with path.open("rb") as file:
            for text in file:
                try:
                    line = orjson.loads(text)
                except ValueError:
                    continue
                if line["event"] == "request" and line["logger"] == "observability.access":
                    groups[line["http.request.method"], line["http.route"]].add(line)
    for (method, route), group in sorted(groups.items(), key=lambda item: -item[1].time_ms):
        numbers = [group.requests, group.errors, group.queries / group.requests, *group.percentiles(0.5, 0.95, 0.99)]
        sys.stdout.write(f"{method} {route} {' '.join(map(repr, numbers))}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
