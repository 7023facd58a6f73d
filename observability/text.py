"""Text for people: truncate it, count with a noun, convert objects whose `__str__` or `__repr__` may raise.

Also text for a terminal. A terminal executes control characters, so text from a request could change the title, the
clipboard or earlier lines. All text that reaches a terminal passes through `escape_controls`.
"""

import re
from collections.abc import Iterable
from typing import Any, TextIO

ELLIPSIS = "…"

# C0, DEL, C1, Unicode line separators, characters that change the text direction, and half a surrogate.
CONTROLS = "\x00-\x1f\x7f-\x9f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_controls = re.compile(f"[{CONTROLS}]")
_controls_in_lines = re.compile(f"[{CONTROLS}](?<!\n)")
# The colors and styles of Django's commands and of Python's stack traces. Hidden text (8) is not one of them.
_STYLE = r"(?:[0-4]|2[234]|[349][0-79])?"
_controls_except_styles = re.compile(f"(\x1b\\[(?:{_STYLE};)*{_STYLE}m)|[{CONTROLS}](?<![\n\t])")


def truncate(text: str, max_length: int) -> str:
    """Return the text, cut to `max_length` characters if it is longer; the last character is then `…`."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}{ELLIPSIS}"


def format_count(count: int, noun: str, plural: str = "") -> str:
    """Return the number with its noun: `1 query`, `2 queries`. The plural defaults to the noun with an `s`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def escape_controls(text: str) -> str:
    """Return the text on one line. Control characters are written as their Python escape sequences."""
    return _controls.sub(_escape, text)


def escape_lines(text: str, indent: str = "") -> str:
    """Return the text with its line breaks, and the other control characters escaped.

    Lines after the first one start with `indent`, so that a line break in the text cannot begin a line of the output.
    """
    return _controls_in_lines.sub(_escape, text.expandtabs(4)).replace("\n", f"\n{indent}")


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class EscapingStream:
    """A text stream that escapes control characters, except line breaks, tabs, colors and styles.

    It replaces `sys.stderr` and `sys.stdout` of a program, for text that no formatter writes: stack traces, warnings,
    messages of commands. All other attributes are those of the stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, and return its length."""
        self._stream.write(_controls_except_styles.sub(lambda match: match[1] or _escape(match), text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the stream
        return getattr(self._stream, name)


def safe_str(value: object) -> str:
    """Return `str(value)`, or a placeholder if that raises. A broken `__str__` must not break the record."""
    if type(value) is str:
        return value
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - any code may run here
        return f"<unprintable {type(value).__qualname__}>"


def safe_repr(error: BaseException) -> str:
    """Return `repr(error)`, or the name of its type if that raises."""
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - any code may run here
        return type(error).__qualname__


def exception_type_name(exception: type[BaseException]) -> str:
    """Return the name of an exception's type, with its module unless that is `builtins`."""
    if exception.__module__ == "builtins":
        return exception.__qualname__
    return f"{exception.__module__}.{exception.__qualname__}"
