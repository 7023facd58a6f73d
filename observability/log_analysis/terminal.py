"""What a terminal takes: its width, colours where it has them, and no character that would steer it."""

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

# C0, DEL and C1, the separators of lines of Unicode, what turns the direction of writing, and half a surrogate.
_steering = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# What takes no column of its own, beside the marks on letters.
_joiners = frozenset("\u200b\u200c\u200d\u2060\ufeff")
NARROWEST = 40
STYLES = {"dim": "2", "bold": "1", "red": "31", "yellow": "33", "green": "32", "cyan": "36"}


class Stream(Protocol):
    """What is asked of a file, and of Django's wrapper of one."""

    def isatty(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a command writes. `width` is in columns, None where lines may have any length, as in a file."""

    width: int | None
    is_coloured: bool

    @classmethod
    def of(cls, stream: Stream, *, no_color: bool = False, force_color: bool = False) -> "Terminal":
        """The terminal behind a stream; NO_COLOR is heard (no-color.org)."""
        is_terminal = stream.isatty()
        is_coloured = force_color or (is_terminal and not no_color and not os.environ.get("NO_COLOR"))
        has_width = is_terminal or os.environ.get("COLUMNS", "").isdigit()
        width = max(NARROWEST, shutil.get_terminal_size().columns) if has_width else None
        return cls(width, is_coloured)

    def styled(self, text: str, *styles: str) -> str:
        """The text in these styles of STYLES."""
        if not self.is_coloured or not text or not styles:
            return text
        return f"\x1b[{';'.join(STYLES[style] for style in styles)}m{text}\x1b[0m"


def harmless(text: str) -> str:
    """The text on one line, with nothing that a terminal obeys: such a character is shown as its escape."""
    return _steering.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def width_of(text: str) -> int:
    """How many columns the text takes: two for each letter of the wide scripts, and for most emoji (UAX #11)."""
    return len(text) if text.isascii() else sum(map(_width_of, text))


def _width_of(character: str) -> int:
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 0 if character in _joiners or unicodedata.category(character) in ("Mn", "Me") else 1


def cut(text: str, width: int | None) -> str:
    """The text in at most `width` columns, its middle left out: paths and statements differ at both ends."""
    if width is None or width_of(text) <= width:
        return text
    if width <= 1:
        return "…"[: max(0, width)]
    end = (width - 1) * 2 // 5
    return f"{beginning(text, width - 1 - end)}…{_ending(text, end)}"


def beginning(text: str, width: int) -> str:
    """As much of the text as stands in so many columns."""
    for place, character in enumerate(text):
        width -= _width_of(character)
        if width < 0:
            return text[:place]
    return text


def _ending(text: str, width: int) -> str:
    place = len(text)
    while place and (width := width - _width_of(text[place - 1])) >= 0:
        place -= 1
    # A mark stays with its letter.
    while place < len(text) and not _width_of(text[place]):
        place += 1
    return text[place:]


def wrapped(text: str, width: int) -> Iterator[str]:
    """The text in lines of at most `width` columns, from 2, broken at spaces where there are any."""
    while width_of(text) > width:
        line = beginning(text, width)
        if text[len(line)] != " " and (space := line.rfind(" ")) > 0:
            line = line[:space]
        yield line
        text = text[len(line) :].lstrip(" ")
    if text:
        yield text


def abandon_stdout() -> None:
    """Write no more, since whoever read has enough: Python would complain of it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
