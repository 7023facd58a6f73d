"""The keys of lines that are none of ours: what the code bound or noted, and what others write."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from observability.log_analysis.columns import VIEWS, Columns
from observability.log_analysis.lines import Record, holding, lines, lines_backwards, parsed
from observability.log_analysis.snapshot import Log

# How many lines of either end of a log are looked at for all keys that there are.
SAMPLE = 200


def add_named(columns: Columns, logs: Sequence[Log], names: Iterable[str]) -> None:
    """Make columns of those of the names that are no column yet, and are the key of some line."""
    for name in dict.fromkeys(names):
        if columns.name_of(name) is None and name not in VIEWS:
            values = list(islice(_values_of(name, columns, logs), SAMPLE))
            if values:
                columns.add(name, _type(values))


def add_sampled(columns: Columns, logs: Sequence[Log]) -> None:
    """Make columns of all keys that the first and the last lines of each log have."""
    values: dict[str, list[object]] = {}
    for record in _sample(columns, logs):
        for key, value in record.items():
            if value is not None:
                values.setdefault(key, []).append(value)
    for key, some in values.items():
        columns.add(key, _type(some))


def _sample(columns: Columns, logs: Sequence[Log]) -> Iterator[Record]:
    for log in logs:
        if log.segments:
            some = [*islice(lines_backwards(log.segments[-1]), SAMPLE), *islice(lines(log.segments[0]), SAMPLE)]
            yield from filter(None, (parsed(line, columns.time_key) for line in some))


def _values_of(key: str, columns: Columns, logs: Sequence[Log]) -> Iterator[object]:
    """The values that a key has, those of the newest files first."""
    # Others write what is no ASCII as escapes.
    texts = {json.dumps(key, ensure_ascii=False).encode("utf-8", "replace"), json.dumps(key).encode()}
    for log in logs:
        for segment in reversed(log.segments):
            for text in texts:
                for line in holding(segment, text):
                    value = (parsed(line, columns.time_key) or {}).get(key)
                    if value is not None:
                        yield value


def _type(values: Iterable[object]) -> str:
    """The DuckDB type of a key by some of its values: text where they are of several."""
    kinds = set(map(_kind, values))
    return kinds.pop() if len(kinds) == 1 else "VARCHAR"


def _kind(value: object) -> str:
    """A number that is whole here may be none in another line."""
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int | float):
        return "DOUBLE"
    return "VARCHAR" if isinstance(value, str) else "JSON"
