"""Count the records in a log file and its backups: lost, duplicate, torn or out of order."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.writer import EVENT

# The start of a log line. If a line is not JSON, a reader continues at the next start.
BEGINNING = b'{"timestamp":'

Place = tuple[int, int]


@dataclass(slots=True)
class Census:
    """Counts of the records in the files, compared with the log calls that returned.

    `torn` counts lines that are not JSON: fragments, which a reader skips up to the start of the next record. `others`
    are records without a number, such as the one that reports dropped records.
    """

    files: int = 0
    lines: int = 0
    written: int = 0
    lost: int = 0
    duplicate: int = 0
    torn: int = 0
    disordered: int = 0
    longest_line_bytes: int = 0
    others: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: "Census") -> None:
        """Add the counts of another census."""
        for name in ("files", "lines", "written", "lost", "duplicate", "torn", "disordered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def is_clean(self) -> bool:
        """Return whether each record is there exactly once, and in the order of its thread."""
        return not (self.lost or self.duplicate or self.disordered)


def log_files(path: Path) -> list[Path]:
    """Return the backups of a log file, oldest first, and then the file."""
    backups = [each for each in path.parent.glob(f"{path.name}.*") if each.suffix[1:].isdigit()]
    return [*sorted(backups, key=lambda each: -int(each.suffix[1:])), path]


def take_census(files: Iterable[Path], written: Mapping[Place, range]) -> Census:
    """Count the records of the files (oldest first) and compare them with the numbers of the calls that returned."""
    census = Census(written=sum(map(len, written.values())))
    found: Counter[tuple[int, int, int]] = Counter()
    latest: dict[Place, int] = {}
    for file in files:
        if not file.exists():
            continue
        census.files += 1
        for line in file.read_bytes().splitlines(keepends=True):
            census.lines += 1
            census.longest_line_bytes = max(census.longest_line_bytes, len(line))
            record = _read(line, census)
            if record is None:
                continue
            if record.get("event") != EVENT:
                census.others.append(record)
                continue
            place = (record["writer"], record["worker"])
            found[*place, record["number"]] += 1
            census.disordered += record["number"] < latest.get(place, -1)
            latest[place] = record["number"]
    census.duplicate = sum(count - 1 for count in found.values())
    census.lost = sum((*place, number) not in found for place, numbers in written.items() for number in numbers)
    return census


def _read(line: bytes, census: Census) -> dict[str, Any] | None:
    record = _parsed(line) if line.endswith(b"\n") else None
    if record is not None:
        return record
    census.torn += 1
    beginning = line.rfind(BEGINNING)
    return _parsed(line[beginning:]) if beginning > 0 else None


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
