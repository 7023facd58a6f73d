"""Rows as a table that fits its terminal: if that is narrow, the less important columns are left out first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from observability.log_analysis.terminal import Terminal, display_width, escape_controls, truncate_middle

Row = dict[Any, Any]
GAP = "  "
MIN_TEXT_WIDTH = 16


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column: its heading, the text of a row, and when it is left out.

    `importance` 0 is always shown; of the others the highest number is left out first. Text is aligned to the left and
    may be cut, numbers are aligned to the right.
    """

    heading: str
    text: Callable[[Row], str]
    importance: int = 0
    is_text: bool = False
    style: Callable[[Row], tuple[str, ...]] = lambda _: ()


def render_table(rows: Sequence[Row], columns: Sequence[TableColumn], terminal: Terminal) -> list[str]:
    """Return the lines of a table, the headings first."""
    headings = [escape_controls(column.heading) for column in columns]
    cells = [[escape_controls(column.text(row)) for column in columns] for row in rows]
    natural = [max(map(display_width, texts)) for texts in zip(headings, *cells, strict=True)]
    widths = _widths(columns, natural, terminal.width)
    heading = GAP.join(_pad(columns[index], headings[index], width) for index, width in widths.items())
    lines = [terminal.style(heading.rstrip(), "bold")]
    for row, texts in zip(rows, cells, strict=True):
        parts = [
            terminal.style(_pad(columns[index], texts[index], width), *columns[index].style(row))
            for index, width in widths.items()
        ]
        lines.append(GAP.join(parts).rstrip())
    return lines


def fits_terminal(rows: Sequence[Row], columns: Sequence[TableColumn], terminal: Terminal) -> bool:
    """Return whether the columns that are always shown fit, if their texts are cut."""
    if terminal.width is None:
        return True
    widths = []
    for column in columns:
        if not column.importance:
            natural = max(display_width(escape_controls(text)) for text in [column.heading, *map(column.text, rows)])
            widths.append(min(natural, MIN_TEXT_WIDTH) if column.is_text else natural)
    return sum(widths) + len(GAP) * (len(widths) - 1) <= terminal.width


def _pad(column: TableColumn, text: str, width: int) -> str:
    text = truncate_middle(text, width)
    space = " " * (width - display_width(text))
    return f"{text}{space}" if column.is_text else f"{space}{text}"


def _widths(columns: Sequence[TableColumn], natural: Sequence[int], width: int | None) -> dict[int, int]:
    """Return the width of each visible column, by its index."""
    visible = list(range(len(columns)))
    if width is None:
        return {index: natural[index] for index in visible}
    # A route that is cut to nothing says less than one more number.
    readable = max(
        MIN_TEXT_WIDTH,
        width * 2 // 5 // max(1, sum(column.is_text and not column.importance for column in columns)),
    )
    least = [min(natural[i], readable) if column.is_text else natural[i] for i, column in enumerate(columns)]
    while sum(least[index] + len(GAP) for index in visible) - len(GAP) > width:
        unimportant = max(visible, key=lambda index: columns[index].importance)
        if not columns[unimportant].importance:
            break
        visible.remove(unimportant)
    texts = sorted((index for index in visible if columns[index].is_text), key=natural.__getitem__)
    number_widths = sum(natural[index] for index in visible if not columns[index].is_text)
    available = width - number_widths - len(GAP) * (len(visible) - 1)
    text_widths: dict[int, int] = {}
    for place, index in enumerate(texts):
        # Narrow texts take what they need, the others share the rest.
        text_widths[index] = max(
            min(natural[index], available // (len(texts) - place)), min(least[index], MIN_TEXT_WIDTH)
        )
        available -= text_widths[index]
    return {index: text_widths.get(index, natural[index]) for index in visible}
