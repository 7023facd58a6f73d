"""Rows as a table that fits its terminal: where it is narrow, the less important columns go first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from observability.log_analysis.terminal import Terminal, cut, harmless, width_of

Row = dict[Any, Any]
GAP = "  "
LEAST_TEXT = 16


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its heading, the text of a row, and how it gives way.

    `importance` 0 is always shown; of the others the highest number goes first. Text is written to the left and may be
    cut, numbers stand to the right.
    """

    heading: str
    text: Callable[[Row], str]
    importance: int = 0
    is_text: bool = False
    style: Callable[[Row], tuple[str, ...]] = lambda _: ()


def table(rows: Sequence[Row], fields: Sequence[Field], terminal: Terminal) -> list[str]:
    """The lines of a table, its headings first."""
    headings = [harmless(field.heading) for field in fields]
    cells = [[harmless(field.text(row)) for field in fields] for row in rows]
    natural = [max(map(width_of, column)) for column in zip(headings, *cells, strict=True)]
    widths = _widths(fields, natural, terminal.width)
    heading = GAP.join(_padded(fields[index], headings[index], width) for index, width in widths.items())
    lines = [terminal.styled(heading.rstrip(), "bold")]
    for row, texts in zip(rows, cells, strict=True):
        parts = [
            terminal.styled(_padded(fields[index], texts[index], width), *fields[index].style(row))
            for index, width in widths.items()
        ]
        lines.append(GAP.join(parts).rstrip())
    return lines


def fits(rows: Sequence[Row], fields: Sequence[Field], terminal: Terminal) -> bool:
    """Whether the columns that are always shown have room, the texts among them cut."""
    if terminal.width is None:
        return True
    widths = []
    for field in fields:
        if not field.importance:
            natural = max(width_of(harmless(text)) for text in [field.heading, *map(field.text, rows)])
            widths.append(min(natural, LEAST_TEXT) if field.is_text else natural)
    return sum(widths) + len(GAP) * (len(widths) - 1) <= terminal.width


def _padded(field: Field, text: str, width: int) -> str:
    text = cut(text, width)
    space = " " * (width - width_of(text))
    return f"{text}{space}" if field.is_text else f"{space}{text}"


def _widths(fields: Sequence[Field], natural: Sequence[int], width: int | None) -> dict[int, int]:
    """The width of each column that is shown, by its place."""
    shown = list(range(len(fields)))
    if width is None:
        return {index: natural[index] for index in shown}
    # A route that is cut to nothing tells less than a further number.
    readable = max(
        LEAST_TEXT, width * 2 // 5 // max(1, sum(field.is_text and not field.importance for field in fields))
    )
    least = [min(natural[index], readable) if field.is_text else natural[index] for index, field in enumerate(fields)]
    while sum(least[index] + len(GAP) for index in shown) - len(GAP) > width:
        unimportant = max(shown, key=lambda index: fields[index].importance)
        if not fields[unimportant].importance:
            break
        shown.remove(unimportant)
    texts = sorted((index for index in shown if fields[index].is_text), key=natural.__getitem__)
    room = width - sum(natural[index] for index in shown if not fields[index].is_text) - len(GAP) * (len(shown) - 1)
    given: dict[int, int] = {}
    for place, index in enumerate(texts):
        # The narrow ones take what they need, the others share what is left.
        given[index] = max(min(natural[index], room // (len(texts) - place)), min(least[index], LEAST_TEXT))
        room -= given[index]
    return {index: given.get(index, natural[index]) for index in shown}
