"""Elements of XML and HTML whose name, or whose attribute with a name, is a secret key."""

import re

from observability.redaction.keys import is_secret
from observability.redaction.values import MAX_VALUE, REDACTED, already_redacted, redact_found

_element = re.compile(r"(?a)(?P<open><|&lt;)(?P<key>[A-Za-z_][\w.:-]{0,63})(?:\s[^<>&]{0,512})?(?:>|&gt;)")
_attribute = re.compile(
    r"""(?i)\s(?P<name>name|key|id|value)\s?=\s?(?P<mark>\\{0,3}["'])(?P<value>[^"'<>\\]{1,512})(?P=mark)"""
)
_name_element = re.compile(
    r"(?i)<(?P<tag>name|key)>\s{0,8}(?P<key>[\w.-]{1,64})\s{0,8}</(?P=tag)>\s{0,32}<(?P<value>[\w:.-]{1,32})>"
)


def redact_elements(text: str) -> str:
    """Return the text without the content, or the attribute `value`, of elements that have a secret name."""
    if "</" in text or "&lt;/" in text:
        text = _redact_content(text)
    if "<" in text and "value" in text:
        text = _element.sub(_redact_attributes, text)
    return text


def _redact_content(text: str) -> str:
    parts: list[str] = []
    copied = position = 0
    while match := _element.search(text, position):
        position = match.end()
        key = match["key"]
        if not _is_secret_element(match) or already_redacted.match(text, position):
            continue
        end = text.find(f"{match['open']}/{key}", position, position + MAX_VALUE)
        if end > position:
            parts += (text[copied:position], REDACTED)
            copied = position = end
    text = f"{''.join(parts)}{text[copied:]}" if parts else text
    return redact_found(text, _name_element, _end_of_value_element) if "<" in text else text


def _is_secret_element(match: re.Match[str]) -> bool:
    if is_secret(match["key"].rpartition(":")[2]):
        return True
    return any(
        found["name"].lower() != "value" and is_secret(found["value"]) for found in _attribute.finditer(match[0])
    )


def _end_of_value_element(match: re.Match[str]) -> int:
    if not is_secret(match["key"]):
        return match.end()
    return match.string.find("</", match.end(), match.end() + MAX_VALUE)


def _redact_attributes(match: re.Match[str]) -> str:
    """Return an element with a secret name without its attribute `value`."""
    if not is_secret(match["key"].rpartition(":")[2]):
        return match[0]
    found = next((found for found in _attribute.finditer(match[0]) if found["name"].lower() == "value"), None)
    return f"{match[0][: found.start('value')]}{REDACTED}{match[0][found.end('value') :]}" if found else match[0]
