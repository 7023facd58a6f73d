"""Headers with credentials. Their value is the rest of the line or of the quote, whatever it contains."""

import re

from observability.redaction.keys import start_of_word
from observability.redaction.values import REDACTED, already_redacted, end_of_line, find_mark, open_quote, rest_of_line

_header = re.compile(
    rf"(?ia){start_of_word}(?:HTTP_)?(?:(?:proxy-)?authorization|(?:set-)?cookie2?)"
    r"(?:[ ]?:[ \t]*(?=\S)|[ ]?=[ ]?(?=(?:digest|oauth|hawk|aws4)\b|[^\s;&=\"']{1,256}=[^\s;&]{0,4096};))"
)


def redact_headers(text: str) -> str:
    """Return the text without the values of headers with credentials: up to the end of the quote or the line."""
    parts: list[str] = []
    copied = position = 0
    while match := _header.search(text, position):
        start, position = match.end(), match.end()
        mark = open_quote(text, match.start())
        if not mark and text[match.start() - 1 : match.start()] in ("'", '"'):
            mark = text[match.start() - 1]
        if already_redacted.match(text, start):
            continue
        end = _end_of_header(text, start, mark)
        if end > start:
            parts += (text[copied:start], REDACTED)
            copied = position = end
    return f"{''.join(parts)}{text[copied:]}" if parts else text


def _end_of_header(text: str, start: int, mark: str) -> int:
    end = end_of_line(text, start)
    if not mark:
        return end
    escaped = text.find(r"\r\n", start, end)
    if escaped >= 0:
        end = escaped
    if len(mark) == 1:
        found = rest_of_line[mark].match(text, start, end)
        return found.end() - 1 if found else end
    return find_mark(text, mark, start, end)
