"""Parse a JSON body that every part of the service can use."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import IO, Any

from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.utils.json import strict_constant

MAX_DEPTH = 32
# Integers with more digits are larger than any floating-point number.
MAX_DIGITS = 308


class StrictJSONParser(JSONParser):
    """JSON that every part of the service can use: UTF-8, finite numbers, whole characters, at most 32 levels.

    Python's parser also accepts `"\\ud800"`, which cannot be stored or sent back, and `1e999`, which is infinite.
    """

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the document. Raise `ParseError` with the reason if it is not valid."""
        try:
            text = stream.read().decode()
            document = json.loads(text, parse_float=_finite, parse_int=_finite_integer, parse_constant=strict_constant)
        except RecursionError:
            raise ParseError(f"JSON parse error - more than {MAX_DEPTH} levels") from None
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from error
        if _is_deeper(document, MAX_DEPTH):
            raise ParseError(f"JSON parse error - more than {MAX_DEPTH} levels")
        if "\\ud" in text.lower():
            _refuse_surrogates(document)
        return document


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"the number {digits[:20]}… is too large")
    return number


def _finite_integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"the number {digits[:20]}… is too large")
    return int(digits)


def _refuse_surrogates(document: object) -> None:
    """Raise an error if a text has one half of a surrogate pair; it names the field if there is one."""
    fields = document.items() if isinstance(document, dict) else [("", document)]
    for name, value in fields:
        if not (_is_text(name) and _is_text(json.dumps(value, ensure_ascii=False))):
            problem = "JSON parse error - one half of a surrogate pair is not a character"
            raise ValidationError({name: [problem]}) if name and _is_text(name) else ParseError(problem)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_deeper(document: object, limit: int) -> bool:
    """Return whether lists and objects are nested deeper than the limit."""
    level = [document]
    for _ in range(limit + 1):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True
