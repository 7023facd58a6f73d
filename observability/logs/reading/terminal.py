"""What a terminal takes: its width, colours where it has them, and no character that would steer it."""

import os
import re
import shutil
from dataclasses import dataclass
from typing import Protocol

# C0 but for the tab, DEL and C1, the separators of lines of Unicode, and what turns the direction of writing.
_steering = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
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


def cut(text: str, width: int | None) -> str:
    """The text in at most `width` columns, its middle left out: paths and statements differ at both ends."""
    if width is None or len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    end = (width - 1) * 2 // 5
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"
