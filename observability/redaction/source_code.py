"""Source code after a secret key: only its literals can be secrets, names and calls are not."""

import re

from observability.redaction.keys import is_secret
from observability.redaction.values import brackets, end_of_brackets, end_of_line, literal_prefix, nested

MAX_EXPRESSION = 512

_nested_or_delimiter = re.compile(rf"{nested.pattern}|[,;]")
_call = re.compile(r"[A-Za-z_][\w.]{0,127}(?=[(\[])")
_identifiers = re.compile(r"[\w.,=*\s]*")
_number = re.compile(r"-?\d[\d_.]*(?!\w)")
_named_literal = re.compile(
    r"""(?:(?<=[\w)\]])(?<!ARRAY)\[|\bget\w*\(|\bpop\(|\benv\w*\()\s?["']([\w.-]{1,64})["']\s?[\]),]"""
)
_code_literal = re.compile(r"""(?i)([bruf]{0,2})("(?:[^"\\\n]|\\.){0,8192}"|'(?:[^'\\\n]|\\.){0,8192}')""")
_frame = re.compile(r' {1,64}(?:[|] )?File "[^"\n]{1,512}", line \d')


def is_source_line(text: str, position: int) -> bool:
    """Return whether the line of a position is a source line of a traceback: after `File "…", line 1`."""
    start = text.rfind("\n", 0, position)
    if start <= 0 or text[start + 1 : start + 5] != "    ":
        return False
    return _frame.match(text, text.rfind("\n", 0, start) + 1) is not None


def secret_parts_of_code(text: str, match: re.Match[str], *, is_source: bool) -> list[tuple[int, int]] | None:
    """Return the secret parts of an expression: literals; None if the value is not an expression.

    In a source line, each name is an expression. Elsewhere, after `= `, only a call without literals is one, and an
    access by the name of a secret: `get_token(request)`, `environ["API_KEY"]`.
    """
    start = match.end()
    if not is_source:
        call = _call.match(text, start)
        if call is None or match[0][-1] != " ":
            return None
        end = end_of_brackets(text, call.end(), min(end_of_line(text, start), start + MAX_EXPRESSION))
        inside = text[call.end() + 1 : end - 1]
        if _identifiers.fullmatch(inside) and not (inside and inside[0].isdigit()):
            return []
        named = _named_literal.search(text, start, end)
        return [] if named is not None and is_secret(named[1]) and named.end() <= end <= named.end() + 1 else None
    if text[start] in "\"'`\\" or _number.match(text, start) or literal_prefix.match(text, start):
        return None
    end = _end_of_expression(text, start)
    names = {
        named.start(1) - 1 for named in _named_literal.finditer(text, max(0, start - 1), end + 1) if is_secret(named[1])
    }
    literals = (
        found for found in _code_literal.finditer(text, start, end) if text[found.start() - 2 : found.start()] != "_("
    )
    return [(literal.start(), literal.end()) for literal in literals if literal.start(2) not in names]


def _end_of_expression(text: str, start: int) -> int:
    """Return the end of an expression of Python: a comma, a semicolon or a closing bracket outside of its brackets."""
    limit = min(end_of_line(text, start), start + MAX_EXPRESSION)
    depth = 0
    for match in _nested_or_delimiter.finditer(text, start, limit):
        found = match[0]
        if found in brackets:
            depth += 1
        elif found in "])}" and depth:
            depth -= 1
        elif found in "])},;" and not depth:
            return match.start()
    return limit
