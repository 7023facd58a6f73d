"""Count what processes wrote to a log file and its backups: what is lost, doubled, torn or out of order."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.writer import EVENT

# How a line of the log files begins; a reader that found no JSON looks for the next.
BEGINNING = b'{"timestamp":'

Place = tuple[int, int]


@dataclass(slots=True)
class Census:
    """What the files hold of the records whose log call returned.

    `torn` counts the lines that are no JSON: a fragment, which a reader skips up to the beginning of the next record.
    `others` are the records that no writer numbered, such as that of lost records.
    """

    files: int = 0
    lines: int = 0
    written: int = 0
    lost: int = 0
    doubled: int = 0
    torn: int = 0
    disordered: int = 0
    longest_line_bytes: int = 0
    others: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: "Census") -> None:
        """Add the counts of another one."""
        for name in ("files", "lines", "written", "lost", "doubled", "torn", "disordered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def is_clean(self) -> bool:
        """Whether each record is there exactly once, and in the order of its thread."""
        return not (self.lost or self.doubled or self.disordered)


def chain(path: Path) -> list[Path]:
    """A log file after its backups, the oldest first."""
    backups = [each for each in path.parent.glob(f"{path.name}.*") if each.suffix[1:].isdigit()]
    return [*sorted(backups, key=lambda each: -int(each.suffix[1:])), path]


def take_census(files: Iterable[Path], written: Mapping[Place, range]) -> Census:
    """Count the records of the files, oldest first, against the numbers of those whose log call returned."""
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
    census.doubled = sum(count - 1 for count in found.values())
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
