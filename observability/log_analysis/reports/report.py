"""What a report is: rows for a program, and lines for a person."""

from collections.abc import Sequence
from dataclasses import dataclass

from observability.log_analysis.database import Database, Row
from observability.log_analysis.numbers import items, span


@dataclass(frozen=True, slots=True)
class Report:
    """`summary` says of what the report is; `lines` are its text, `rows` its values. `more` counts rows left out."""

    summary: str
    rows: Sequence[Row]
    lines: Sequence[str]
    more: int = 0


def ordered(rows: Sequence[Row], limit: int) -> tuple[list[Row], int]:
    """The first rows, and how many are left out; a limit of 0 is none."""
    return (list(rows[:limit]), max(0, len(rows) - limit)) if limit else (list(rows), 0)


def summary_of(noun: str, found: Row, *others: str) -> str:
    """One line about what was read: how much of it (`extent`), of when, and more. A noun may be `query/queries`."""
    one, _, many = noun.partition("/")
    many = many or f"{one}s"
    if not found["amount"] or found["first"] is None:
        return f"No {many}."
    parts = [items(found["amount"], one, many), span(found["first"], found["last"]), *filter(None, others)]
    return f"{', '.join(parts)}."


def extent(database: Database, view: str, amount: str = "sum(coalesce(sample_rate, 1))") -> Row:
    """How much a loaded view holds, and of when: `amount`, `first` and `last`. A sampled line counts for many."""
    (row,) = database.rows(f"select coalesce({amount}, 0) amount, min(time) as first, max(time) as last from {view}")
    return row


def spans_days(found: Row) -> bool:
    """Whether a time needs its date."""
    return bool(found["amount"]) and found["first"].date() != found["last"].date()
