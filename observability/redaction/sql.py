"""Literals in statements of SQL, and the values of a row that a database rejected.

The name of a column, of a constraint or of a function shows that a value is secret.
"""

import re

from observability.redaction.keys import is_secret
from observability.redaction.values import REDACTED, end_of_brackets, end_of_literal, redact_found

_constraint = re.compile(r"constraint \\{0,3}\"([^\"\\]{1,128})")
_rejected_key = re.compile(
    r"\bKey \((?P<columns>[^()=]{1,512})\)=\((?:(?!\) (?:already|is|conflicts)\b)[\s\S]){0,8192}\)?"
)
_rejected_row = re.compile(r"\bFailing row contains \([\s\S]{0,65536}")
_duplicate = re.compile(r"\bDuplicate entry '(?:(?!' for key)[\s\S]){0,8192}' for key '(?P<key>[^']{1,256})'")
_insert = re.compile(r"(?i)\bINTO [^\s(]{1,200} {0,4}\((?P<columns>[^()]{1,4096})\) {0,4}VALUES {0,4}(?=\()")
_next_row = re.compile(r"\s{0,8},\s{0,8}(?=\()")
_identified_by = re.compile(
    r"(?i)\bIDENTIFIED (?:WITH \S{1,64} )?(?:BY|AS) (?:PASSWORD )?(?=['\"])"
    r"|\bPASSWORD FOR [^=\n]{1,128}= ?(?:PASSWORD\()?(?=')"
    r"|\b(?:PASSWORD|CRYPT)\((?=')|\bPRAGMA (?:\w{1,64}\.)?(?:hex)?(?:re)?key ?= ?(?=')|\bAS \w{1,64} KEY (?=')"
    r"|\b(?:pgp_sym_(?:en|de)crypt|aes_(?:en|de)crypt)\([^,'\n]{0,128}, ?(?=')"
)


def redact_rejected_rows(text: str) -> str:
    """Return a database error without the values of the row, if a column or constraint has a secret name."""
    if "Key (" in text:
        is_named_secret = any(is_secret(name) for name in _constraint.findall(text))
        text = _rejected_key.sub(lambda match: _redact_key(match, is_named_secret=is_named_secret), text)
    if "Failing row" in text:
        text = _rejected_row.sub(f"Failing row contains ({REDACTED})", text)
    if "Duplicate entry" in text:
        text = _duplicate.sub(_redact_entry, text)
    return text


def _redact_key(match: re.Match[str], *, is_named_secret: bool) -> str:
    columns = match["columns"]
    if not is_named_secret and not any(is_secret(column.strip(' "')) for column in columns.split(",")):
        return match[0]
    return f"Key ({columns})=({REDACTED})"


def _redact_entry(match: re.Match[str]) -> str:
    return f"Duplicate entry '{REDACTED}' for key '{match['key']}'" if is_secret(match["key"]) else match[0]


def redact_statements(text: str) -> str:
    """Return the text without the rows of an INSERT into a secret column, and without literals that set a password."""
    upper = text.upper()
    if "VALUES" in upper:
        text = redact_found(text, _insert, _end_of_rows)
    if "IDENTIFIED" in upper or "PASSWORD FOR" in upper or "PASSWORD(" in upper or "CRYPT(" in upper or "KEY" in upper:
        text = redact_found(text, _identified_by, lambda match: end_of_literal(match.string, match.end()))
    return text


def _end_of_rows(match: re.Match[str]) -> int:
    """Return the end of the rows of an INSERT; its start if no column is secret or there is no literal."""
    text, end = match.string, match.end()
    if not any(is_secret(column.strip(' "`\n')) for column in match["columns"].split(",")):
        return end
    while True:
        end = end_of_brackets(text, end, len(text))
        following = _next_row.match(text, end)
        if following is None:
            break
        end = following.end()
    rows = text[match.end() : end]
    return end if "'" in rows or '"' in rows else match.end()
