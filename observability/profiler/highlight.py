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
# A browser lays out each token and each line apart, and would take half a minute for a MiB of the shortest ones. A MiB
# of an ordinary list has about 230,000.
MAX_TOKENS = 300_000
MAX_HTML_LENGTH = 8_000_000

_token = re.compile(
    r"""(?P<space>[ \t\r\n]++)
    |(?P<key>"[^"\\]*+(?:\\.[^"\\]*+)*+")(?=[ \t\r\n]*+:)
    |(?P<text>"[^"\\]*+(?:\\.[^"\\]*+)*+")
    |(?P<number>-?(?:\d[\d.eE+-]*+|Infinity))
    |(?P<word>true|false|null|NaN)
    |(?P<open>[\[{])
    |(?P<close>[\]}])
    |(?P<comma>,)
    |(?P<colon>:)""",
    re.VERBOSE | re.DOTALL,
)
# What a reader would not see, or would see in the wrong order: controls, directions, line and paragraph separators.
_invisible = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# An http address, or a path of this origin: browsers take "//host" and "/\host" for another one, and leave out tabs and
# line breaks before they look.
_link = re.compile(r"(?:https?://[^\s\x00-\x1f<>\"\\]|/(?![/\\]))[^\s\x00-\x1f<>\"\\]*", re.IGNORECASE)


def highlight(text: str) -> str:
    """The HTML of a JSON text, to stand in a `<pre>`.

    From the first character on that is no JSON it is plain. Where a browser would be too long about it, after 300,000
    tokens or 8,000,000 characters of HTML, the rest stands there as it was sent, in a `<span class="as-sent">`.
    """
    return "".join(_html(text))


def visible(text: str) -> str:
    """The text escaped for HTML, with characters that nobody would see written as escapes of JSON."""
    return escape(_invisible.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def _html(text: str) -> Iterator[str]:
    depth = position = token_count = length = 0
    is_empty = False
    while match := _token.match(text, position):
        if token_count >= MAX_TOKENS or length >= MAX_HTML_LENGTH:
            yield f'<span class="as-sent">{visible(text[position:])}</span>'
            return
        position = match.end()
        kind, token = str(match.lastgroup), match[0]
        if kind == "space":
            continue
        if kind == "close":
            depth = max(depth - 1, 0)
            html = token if is_empty else f"{_line(depth)}{token}"
        else:
            html = f"{_line(depth) if is_empty else ''}{_styled(kind, token, depth)}"
            depth += kind == "open"
        yield html
        is_empty = kind == "open"
        token_count += 1
        length += len(html)
    yield visible(text[position:])


def _styled(kind: str, token: str, depth: int) -> str:
    if kind == "comma":
        return f",{_line(depth)}"
    if kind == "colon":
        return ": "
    if kind == "open":
        return token
    shown = visible(token) if kind in ("key", "text") else token
    if kind == "text" and (address := _address(token)):
        shown = f'<a href="{escape(address)}" rel="noreferrer">{shown}</a>'
    return f'<span class="{kind}">{shown}</span>'


def _line(depth: int) -> str:
    return "\n" + INDENT * min(depth, MAX_INDENTED_DEPTH)


def _address(token: str) -> str:
    """The http address, or the path of this origin, that a JSON string is as a whole; empty for any other."""
    # JSON may write a slash, or any letter, as an escape.
    if token[1] not in "/hH\\":
        return ""
    try:
        value = str(json.loads(token))
    except ValueError:
        return ""
    return value if _link.fullmatch(value) and not _invisible.search(value) else ""
