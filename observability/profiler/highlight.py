"""Render JSON as HTML: indented, colored, and without anything that a browser could execute.

This module does not parse the JSON. So numbers, the order of keys and duplicate keys are shown as they were sent, and a
text that is cut is shown up to the cut.
"""

import json
import re
from collections.abc import Iterator
from html import escape

INDENT = "  "
# Deeper levels have the same indentation, because it would become much longer than the text.
MAX_INDENTED_DEPTH = 40
# A browser handles each token and each line separately. A MiB of the shortest tokens would take half a minute. A MiB of
# an ordinary list has about 230,000 tokens.
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
# Characters that are invisible or change the order of other characters: controls, text directions, separators.
_invisible = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# An http URL, or a path of this origin. For browsers, "//host" and "/\host" are another origin. Browsers remove tabs
# and line breaks before they parse a URL.
_link = re.compile(r"(?:https?://[^\s\x00-\x1f<>\"\\]|/(?![/\\]))[^\s\x00-\x1f<>\"\\]*", re.IGNORECASE)


def highlight(text: str) -> str:
    """Return the HTML of a JSON text, for a `<pre>`.

    The text after the first character that is not JSON is not highlighted. After 300,000 tokens or 8,000,000 characters
    of HTML, the rest is shown as it was sent in a `<span class="as-sent">`, because a browser would take too long.
    """
    return "".join(_render(text))


def escape_visibly(text: str) -> str:
    """Return the text escaped for HTML. Invisible characters become JSON escapes."""
    return escape(_invisible.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def _render(text: str) -> Iterator[str]:
    depth = position = token_count = length = 0
    is_empty = False
    while match := _token.match(text, position):
        if token_count >= MAX_TOKENS or length >= MAX_HTML_LENGTH:
            yield f'<span class="as-sent">{escape_visibly(text[position:])}</span>'
            return
        position = match.end()
        kind, token = str(match.lastgroup), match[0]
        if kind == "space":
            continue
        if kind == "close":
            depth = max(depth - 1, 0)
            html = token if is_empty else f"{_new_line(depth)}{token}"
        else:
            html = f"{_new_line(depth) if is_empty else ''}{_render_token(kind, token, depth)}"
            depth += kind == "open"
        yield html
        is_empty = kind == "open"
        token_count += 1
        length += len(html)
    yield escape_visibly(text[position:])


def _render_token(kind: str, token: str, depth: int) -> str:
    if kind == "comma":
        return f",{_new_line(depth)}"
    if kind == "colon":
        return ": "
    if kind == "open":
        return token
    html = escape_visibly(token) if kind in ("key", "text") else token
    if kind == "text" and (url := _find_url(token)):
        html = f'<a href="{escape(url)}" rel="noreferrer">{html}</a>'
    return f'<span class="{kind}">{html}</span>'


def _new_line(depth: int) -> str:
    return "\n" + INDENT * min(depth, MAX_INDENTED_DEPTH)


def _find_url(token: str) -> str:
    """Return the URL if a JSON string is an http URL or a path of this origin; empty for other strings."""
    # In JSON, a slash or a letter may be an escape.
    if token[1] not in "/hH\\":
        return ""
    try:
        value = str(json.loads(token))
    except ValueError:
        return ""
    return value if _link.fullmatch(value) and not _invisible.search(value) else ""
