"""Objects with a name and a value, such as `{"name": "password", "value": "x"}`, and the parts of a form with files."""

import re

from observability.redaction.keys import is_secret
from observability.redaction.values import REDACTED, already_redacted, end_of_value

# The key of the name, and the key of the value.
_name_keys = "name|key|header|field|param|parameter|property|option|variable|id"
_value_keys = "value|val|content|default"
KEYS_OF_NAMED_VALUES = frozenset({*_name_keys.split("|"), *_value_keys.split("|")})

# An alternative of literals at the start lets the search skip to their first letters.
_name_words = "|".join(form for word in _name_keys.split("|") for form in (word, word.title(), word.upper()))
_value_words = "|".join(form for word in _value_keys.split("|") for form in (word, word.title(), word.upper()))
_value_key = re.compile(rf"(?:{_value_words})\\{{0,3}}[\"']?\s{{0,4}}[:=]")
_named_key = re.compile(
    rf"""(?a)(?:{_name_words})(?P<quote>\\{{0,3}}["']|)\s{{0,4}}[:=]\s{{0,4}}
    (?P<mark>\\{{0,3}}["']|)(?P<key>[\w.-]{{1,64}})(?P=mark)""",
    re.VERBOSE,
)
_value_after_name = re.compile(
    rf"""(?a)[^{{}}<>]{{0,200}}?(?<![\w-])(?:{_value_words})(?:\\{{0,3}}["'])?\s{{0,4}}[:=]\s{{0,4}}"""
)
_value_then_name = re.compile(
    rf"""(?a)(?:{_value_words})(?P<quote>\\{{0,3}}["']|)\s{{0,4}}[:=]\s{{0,4}}
    (?P<mark>\\{{0,3}}["'])(?P<value>[^"'\\{{}}<>]{{1,512}})(?P=mark)[^{{}}<>"']{{0,16}}
    (?P=quote)(?:{_name_words})(?P=quote)\s{{0,4}}[:=]\s{{0,4}}(?P=mark)(?P<key>[\w.-]{{1,64}})(?P=mark)""",
    re.VERBOSE,
)
# A part of a form with files: a header, an empty line, the value.
_form_part = re.compile(
    r"""(?a)(\bname=\\?"(?P<key>[\w.\[\]-]{1,64})\\?"[^\r\n\\]{0,64}(?P<line>\r?\n|\\r\\n)(?P=line))(?:(?!(?P=line)--)[\s\S]){1,8192}"""
)


def redact_named_values(text: str) -> str:
    """Return the text without the values of objects such as `{"name": "password", "value": …}`."""
    if not _value_key.search(text):
        return text
    parts: list[str] = []
    copied = position = 0
    while match := _named_key.search(text, position):
        position = match.end()
        value = _value_after_name.match(text, position) if is_secret(match["key"]) else None
        if value is not None and not already_redacted.match(text, value.end()):
            end = end_of_value(text, value.end(), "assign")
            if end > value.end():
                parts += (text[copied : value.end()], REDACTED)
                copied = position = end
    text = f"{''.join(parts)}{text[copied:]}" if parts else text
    return _value_then_name.sub(_redact_value_before_name, text)


def _redact_value_before_name(match: re.Match[str]) -> str:
    if not is_secret(match["key"]):
        return match[0]
    start, end = match.start("value") - match.start(), match.end("value") - match.start()
    return f"{match[0][:start]}{REDACTED}{match[0][end:]}"


def redact_form_parts(text: str) -> str:
    """Return the text without the values of the secret fields of a form that has the type multipart/form-data."""
    return _form_part.sub(_redact_form_part, text) if "name=" in text else text


def _redact_form_part(match: re.Match[str]) -> str:
    return f"{match[1]}{REDACTED}" if is_secret(match["key"]) else match[0]
