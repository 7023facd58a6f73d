"""JSON as HTML: indented, coloured, and with nothing in it that a browser could run.

It works on the text and not on parsed data: numbers, the order of keys and keys that occur twice are shown as they were
sent, and a text that was cut is shown up to the cut.
"""

import json
import re
from collections.abc import Iterator
from html import escape

INDENT = "  "
# Deeper levels are not indented further, or the indentation would be far longer than the text.
MAX_INDENTED_DEPTH = 40

_token = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<key>"(?:[^"\\]|\\.)*")(?=[ \t\r\n]*:)
    |(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<number>-?(?:\d[\d.eE+-]*|Infinity))
    |(?P<word>true|false|null|NaN)
    |(?P<open>[\[{])
    |(?P<close>[\]}])
    |(?P<comma>,)
    |(?P<colon>:)""",
    re.VERBOSE | re.DOTALL,
)
# What a reader would not see, or would see in the wrong order: controls, directions, line and paragraph separators.
_invisible = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_link = re.compile(r"https?://[^\s\x00-\x1f<>\"\\]+", re.IGNORECASE)


def highlight(text: str) -> str:
    """The HTML of a JSON text, to stand in a `<pre>`; from the first character on that is no JSON it is plain."""
    return "".join(_html(text))


def visible(text: str) -> str:
    """The text escaped for HTML, with characters that nobody would see written as escapes of JSON."""
    return escape(_invisible.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def _html(text: str) -> Iterator[str]:
    depth = position = 0
    is_empty = False
    while match := _token.match(text, position):
        position = match.end()
        kind, token = str(match.lastgroup), match[0]
        if kind == "space":
            continue
        if kind == "close":
            depth = max(depth - 1, 0)
            yield token if is_empty else f"{_line(depth)}{token}"
        else:
            if is_empty:
                yield _line(depth)
            yield _styled(kind, token, depth)
            depth += kind == "open"
        is_empty = kind == "open"
    yield visible(text[position:])


def _styled(kind: str, token: str, depth: int) -> str:
    if kind == "comma":
        return f",{_line(depth)}"
    if kind == "colon":
        return ": "
    if kind == "open":
        return token
    shown = visible(token)
    if kind == "text" and (address := _address(token)):
        shown = f'<a href="{escape(address)}" rel="noreferrer">{shown}</a>'
    return f'<span class="{kind}">{shown}</span>'


def _line(depth: int) -> str:
    return "\n" + INDENT * min(depth, MAX_INDENTED_DEPTH)


def _address(token: str) -> str:
    """The http address that a JSON string is as a whole; empty for any other."""
    if not token[1:5].lower().startswith("http"):
        return ""
    try:
        value = json.loads(token)
    except ValueError:
        return ""
    return value if _link.fullmatch(value) and not _invisible.search(value) else ""
