"""The end of a value in a text, and its replacement.

`end_of_value` finds where the value that starts at a position ends: a literal, a bracket, a call, or a bare word. Each
pattern is bounded, so that the cost grows linearly with the length of the text.
"""

import re
from collections.abc import Callable

REDACTED = "[redacted]"
MAX_VALUE = 8_192
MAX_QUOTE_DISTANCE = 256

# A value that is already redacted.
already_redacted = re.compile(r"(?:%20|\(){0,2}\[redacte")
backslashed_quote = re.compile(r"""(\\{1,15})(["'`])""")
literal_prefix = re.compile(r"""(?i)[bruefnx]{0,2}(?=["'`])""")
_triple = re.compile(r"'''|\"\"\"")
# A quote that is open at the end of a line: the message of PostgreSQL with a part of a statement, then a traceback.
_not_continued = (
    r"(?!\ {0,64}(?:\^|~|File\ \"|Traceback|The\ above|During\ h|DETAIL|HINT|CONTEXT|[A-Za-z_.]{1,64}Error))"
)
_rest_of_literal = {
    mark: re.compile(
        rf"(?x)(?:[^{mark}\\\n]|\\[\s\S]|{mark}{mark}|{mark}(?=[A-Za-z0-9])|\n{_not_continued}){{0,{MAX_VALUE}}}"
        rf"{mark}(?![A-Za-z0-9])"
    )
    for mark in "\"'`"
}
rest_of_line = {
    mark: re.compile(rf"(?:[^{mark}\\\n]|\\[^\n]|{mark}{mark}|{mark}(?=[A-Za-z0-9])){{0,{MAX_VALUE}}}{mark}")
    for mark in "\"'`"
}
_line = re.compile(r"[^\r\n]*")
_entity = re.compile(r"&(?:quot|apos|#34|#39|#x22|#x27);")
_dollar_quote = re.compile(r"\$\w{0,16}\$")
brackets = {"[": "]", "(": ")", "{": "}"}
nested = re.compile(r"""[\[({]|[\])}]|\\.|"(?:[^"\\\n]|\\.){0,8192}"|'(?:[^'\\\n]|\\.){0,8192}'""")
_call_with_literal = re.compile(r"[A-Za-z_][\w.]{0,127}(?=\([bruBRU\"'])")
_next_pair = r"(?=[\w.%\[\]-]{1,64}[=:])"
_bare = re.compile(
    rf"""(?a)(?:[^\s"'`&<>,;)\]}}\\]
    |[,;](?![\s"'`)\]}}]|\Z)(?!{_next_pair})
    |["'`](?=[A-Za-z0-9])(?!\w{{1,2}}["'])
    |&(?!\s|\Z|amp;|quot;|\#|lt;|gt;|apos;)(?!{_next_pair})
    |[)\]}}>](?=[\w@!$%^*+=~])
    |<(?!/?[A-Za-z][^<>\s]{{0,64}}[\s>]|!)
    |\\[ ]
    |\\(?!\\{{0,14}}["'`](?![A-Za-z0-9]))){{1,{MAX_VALUE}}}+""",
    re.VERBOSE,
)


def end_of_value(text: str, start: int, kind: str) -> int:  # noqa: PLR0911 - one for each notation
    """Return the end of the value that starts at a position."""
    if start >= len(text):
        return start
    end = end_of_literal(text, start)
    if end > start:
        return end
    if text[start] in brackets:
        return end_of_brackets(text, start, len(text))
    if text[start] == "<" and (end := text.find(">", start, end_of_line(text, start))) > 0:
        return end + 1
    if call := _call_with_literal.match(text, start):
        return end_of_brackets(text, call.end(), end_of_line(text, start))
    found = _bare.match(text, start)
    if found is None:
        return start
    end = found.end()
    # The end of a sentence is not a part of the value.
    if kind != "assign" and text[end - 1] in ".!?" and end - start > 1:
        end -= 1
    return end


def end_of_literal(text: str, start: int) -> int:
    """Return the end of a literal in quotes, also of Python, SQL or JSON inside JSON; the start if there is none.

    If the quote is not closed, the literal ends with the line.
    """
    if match := backslashed_quote.match(text, start):
        found = find_mark(text, match[0], match.end(), len(text))
        return found + len(match[0]) if found < len(text) else end_of_line(text, start)
    if match := _entity.match(text, start):
        found = text.find(match[0], match.end(), match.end() + MAX_VALUE)
        return found + len(match[0]) if found >= 0 else end_of_line(text, start)
    if match := _dollar_quote.match(text, start):
        found = text.find(match[0], match.end(), match.end() + MAX_VALUE)
        return found + len(match[0]) if found >= 0 else start
    prefix = literal_prefix.match(text, start)
    if prefix is None:
        return start
    first = prefix.end()
    if triple := _triple.match(text, first):
        found = text.find(triple[0], triple.end(), triple.end() + MAX_VALUE)
        if found >= 0:
            return found + len(triple[0])
    mark = text[first]
    rest = rest_of_line[mark].match(text, first + 1) or _rest_of_literal[mark].match(text, first + 1)
    return rest.end() if rest is not None else end_of_line(text, start)


def end_of_brackets(text: str, start: int, end: int) -> int:
    """Return the position after the bracket that closes the one at `start`; if it is not closed, a bound."""
    closing: list[str] = []
    limit = min(end, start + MAX_VALUE)
    for match in nested.finditer(text, start, limit):
        bracket = match[0]
        if bracket in brackets:
            closing.append(brackets[bracket])
        elif closing and bracket == closing[-1]:
            closing.pop()
            if not closing:
                return match.end()
    return limit


def end_of_line(text: str, position: int) -> int:
    """Return the position of the next line break, or of the end of the text."""
    found = _line.match(text, position)
    return found.end() if found else position


def find_mark(text: str, mark: str, start: int, end: int) -> int:
    """Return the position of a quote with exactly as many backslashes as `mark`, or `end`."""
    position = start
    while (position := text.find(mark, position, end)) >= 0:
        if text[position - 1] != "\\" or position == start:
            return position
        position += len(mark)
    return end


def open_quote(text: str, position: int) -> str:
    """Return the quote, with its backslashes, that is open at a position of a line; "" if none is."""
    start = max(text.rfind("\n", 0, position) + 1, position - MAX_QUOTE_DISTANCE)
    index = max(text.rfind('"', start, position), text.rfind("'", start, position))
    if index < 0:
        return ""
    first = index
    while first > start and text[first - 1] == "\\":
        first -= 1
    before, after = text[first - 1 : first] if first else "", text[index + 1]
    is_opening = (not before or before in " \t\n[({,:=bru") and after not in " ,:]})"
    return text[first : index + 1] if is_opening else ""


def redact_found(text: str, pattern: re.Pattern[str], find_end: Callable[[re.Match[str]], int]) -> str:
    """Return the text without the values that follow a pattern. `find_end` returns the end of the value of a match."""
    parts: list[str] = []
    copied = position = 0
    while match := pattern.search(text, position):
        position = match.end()
        end = find_end(match)
        if end > position and not already_redacted.match(text, position):
            is_row = text[position] == "("
            parts += (text[copied:position], f"({REDACTED})" if is_row else REDACTED)
            copied = position = end
    return f"{''.join(parts)}{text[copied:]}" if parts else text
