"""The terminal: its width and colors, and tables that fit its width."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from observability.text import escape_controls

# Characters of width 0 that are not combining marks.
_joiners = frozenset("\u200b\u200c\u200d\u2060\ufeff")
# The minimum width of a terminal, and of a text that is cut, in columns.
MIN_WIDTH = 40
MIN_TEXT_WIDTH = 16
GAP = "  "
STYLES = {"dim": "2", "bold": "1", "red": "31", "yellow": "33", "green": "32", "cyan": "36"}

Row = dict[Any, Any]


class Stream(Protocol):
    """A file, or Django's wrapper around a file."""

    def isatty(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Terminal:
    """The properties of the output. `width` is in columns; None if lines may have any length, as in a file.

    `program` is the command that the reports name, without its subcommand.
    """

    width: int | None
    has_colors: bool
    program: str = "logs"

    @classmethod
    def of(
        cls, stream: Stream, *, no_color: bool = False, force_color: bool = False, program: str = "logs"
    ) -> "Terminal":
        """Return the terminal of a stream. The variables NO_COLOR (no-color.org) and COLUMNS are respected."""
        is_terminal = stream.isatty()
        has_colors = force_color or (is_terminal and not no_color and not os.environ.get("NO_COLOR"))
        has_width = is_terminal or os.environ.get("COLUMNS", "").isdigit()
        width = max(MIN_WIDTH, shutil.get_terminal_size().columns) if has_width else None
        return cls(width, has_colors, program)

    def style(self, text: str, *styles: str) -> str:
        """Return the text with these styles (keys of STYLES) if the terminal has colors."""
        if not self.has_colors or not text or not styles:
            return text
        return f"\x1b[{';'.join(STYLES[style] for style in styles)}m{text}\x1b[0m"


@dataclass(frozen=True, slots=True)
class Output:
    """Functions that print one line of the result (`write`) or of the messages (`warn`)."""

    write: Callable[[str], object]
    warn: Callable[[str], object]
    terminal: Terminal


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table.

    A column with `importance` 0 is always shown. If the table is too wide, the column with the highest number is left
    out first. Text is aligned to the left and may be cut. Numbers are aligned to the right.
    """

    heading: str
    text: Callable[[Row], str]
    importance: int = 0
    is_text: bool = False
    style: Callable[[Row], tuple[str, ...]] = lambda _: ()


def render_table(rows: Sequence[Row], columns: Sequence[TableColumn], terminal: Terminal) -> list[str]:
    """Return the lines of a table; the first line has the headings."""
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
    """Return whether the columns of importance 0 fit the terminal if their texts are cut."""
    if terminal.width is None:
        return True
    widths = []
    for column in columns:
        if not column.importance:
            natural = max(display_width(escape_controls(text)) for text in [column.heading, *map(column.text, rows)])
            widths.append(min(natural, MIN_TEXT_WIDTH) if column.is_text else natural)
    return sum(widths) + len(GAP) * (len(widths) - 1) <= terminal.width


def discard_stdout() -> None:
    """Discard all further output. The reader closed the pipe; without this, Python reports it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def display_width(text: str) -> int:
    """Return the width of the text in columns. Wide letters and most emoji have two columns (UAX #11)."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


def truncate_middle(text: str, width: int | None) -> str:
    """Cut the middle of a text to fit `width` columns: paths and SQL differ at both ends."""
    if width is None or display_width(text) <= width:
        return text
    if width <= 1:
        return "…"[: max(0, width)]
    end_width = (width - 1) * 2 // 5
    return f"{truncate_end(text, width - 1 - end_width)}…{_last_columns(text, end_width)}"


def truncate_end(text: str, width: int) -> str:
    """Cut the end of a text to fit `width` columns."""
    for place, character in enumerate(text):
        width -= _character_width(character)
        if width < 0:
            return text[:place]
    return text


def wrap(text: str, width: int) -> Iterator[str]:
    """Yield the text in lines of at most `width` columns (2 or more), broken at spaces if possible."""
    while display_width(text) > width:
        line = truncate_end(text, width)
        if text[len(line)] != " " and (space := line.rfind(" ")) > 0:
            line = line[:space]
        yield line
        text = text[len(line) :].lstrip(" ")
    if text:
        yield text


def _pad(column: TableColumn, text: str, width: int) -> str:
    text = truncate_middle(text, width)
    space = " " * (width - display_width(text))
    return f"{text}{space}" if column.is_text else f"{space}{text}"


def _widths(columns: Sequence[TableColumn], natural: Sequence[int], width: int | None) -> dict[int, int]:
    """Return the width of each visible column, by its index."""
    visible = list(range(len(columns)))
    if width is None:
        return {index: natural[index] for index in visible}
    # Leave out a number rather than cut a text to less than this width.
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
        # Narrow texts get the width that they need. The other texts share the rest.
        text_widths[index] = max(
            min(natural[index], available // (len(texts) - place)), min(least[index], MIN_TEXT_WIDTH)
        )
        available -= text_widths[index]
    return {index: text_widths.get(index, natural[index]) for index in visible}


def _character_width(character: str) -> int:
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 0 if character in _joiners or unicodedata.category(character) in ("Mn", "Me") else 1


def _last_columns(text: str, width: int) -> str:
    place = len(text)
    while place and (width := width - _character_width(text[place - 1])) >= 0:
        place -= 1
    # A combining mark stays with its letter.
    while place < len(text) and not _character_width(text[place]):
        place += 1
    return text[place:]
