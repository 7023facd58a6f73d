"""A secret key, a separator and a value: `key=value`, `"key": value`, `--key value`, `key IN ('value')`.

`_pair` finds each key and its separator. `values` finds where the value ends. Most of the rules here are about text
that looks like a pair but has no secret: sentences, placeholders, and the names in source code.
"""

import re

from observability.redaction.keys import is_directory, is_secret, start_of_word
from observability.redaction.source_code import is_source_line, secret_parts_of_code
from observability.redaction.values import (
    REDACTED,
    already_redacted,
    backslashed_quote,
    end_of_line,
    end_of_value,
    find_mark,
    open_quote,
    rest_of_line,
)

_types = r"(?:str|bytes|int|float|bool|Any|SecretStr|(?:t\.|typing\.)?Optional\[\w+\])(?:\ ?\|\ ?None)?"
_pair = re.compile(
    rf"""(?a)(?=[A-Za-z_"'`\\&2-])(?:{start_of_word}|(?<=\.)(?=["`\\]))(?:b(?=["']))?(?P<quote>\\{{0,15}}["'`]|&(?:quot|apos|\#34|\#39|\#x22|\#x27);|)
    (?P<dash>--?)?+
    (?P<key>(?:2(?=[fF][aA]))?[A-Za-z_][\w.\[\]-]{{0,127}}+)(?P=quote)[\])]?
    (?:(?P<assign>(?:::\w{{1,30}})?\s{{0,8}}(?<![=!<>])[:+]?=>?(?!=)\s{{0,8}}
        |:\s?{_types}\s?=\s?|[ ]{{1,4}}->[ ]{{1,4}})
    |(?P<colon>\s{{0,8}}:(?!//|:|(?<=[T\ ":]\d\d:)\d\d)\s{{0,8}})
    |(?P<literal>\s{{1,8}}(?=[nexbNEXB]?'|\$\w{{0,16}}\$)
        |\s{{0,8}}(?:[=!]=|<>|[<>]=?|!?~\*?)\s{{0,8}}(?=[nexbNEXB]?\\{{0,3}}["'])
        |\s{{1,8}}(?=[a-zA-Z]{{2,7}}[\s(])(?i:(?:not\s{{1,4}})?
            (?:in\s{{0,8}}(?=\()|(?:i?like|rlike|regexp|between)\s{{1,8}}(?='))
            |(?:is|was|to)\s{{1,8}}(?=\\{{0,3}}["'])))
    |(?P<argument>\s{{0,8}},\s{{0,8}}(?=b?\\{{0,3}}["']))
    |(?(dash)(?P<option>[ \t]{{1,8}}(?![-|=:])(?=\S))|(?!)))""",
    re.VERBOSE,
)
# A value that is not a secret: a placeholder, a mask, or nothing.
_no_secret = re.compile(
    r"""%s|%\(\w+\)s|\?|:[a-z_]+|\$\d+|null|none|true|false|undefined|\$\{?[A-Z_]{2,}\}?|(?-i:\{[a-z_]*\}|<[a-z_]+>)
    |\*+|\.\.\.|…|\[\]|\{\}|\(\)|""|''""",
    re.IGNORECASE | re.VERBOSE,
)
# Words that follow "token: " or "--password " in sentences and signatures.
_prose = frozenset({
    "a", "already", "an", "and", "any", "are", "argument", "as", "bad", "bool", "bytes", "can", "cannot", "char",
    "contains", "differs", "does", "empty", "error", "expected", "expired", "expires", "failed", "field", "file",
    "float", "for", "forbidden", "from", "has", "have", "id", "if", "in", "incorrect", "instead", "int", "integer",
    "invalid", "is", "it", "its", "length", "limit", "made", "malformed", "may", "mismatch", "missing", "must",
    "need", "needs", "no", "none", "not", "null", "of", "ok", "on", "option", "optional", "or", "prompt", "required",
    "requires", "revoked", "set", "should", "str", "string", "text", "that", "the", "this", "to", "too", "unknown",
    "unset", "use", "used", "user", "using", "valid", "varchar", "via", "was", "were", "when", "which", "will",
    "with", "without", "wrong", "you", "your",
})  # fmt: skip
_word = re.compile(r"[A-Za-z]+(?=[\s.!?:;,)\]]*(?:\s|\Z))")
_block = re.compile(r"[|>][+-]?\d?[ ]{0,8}\n(?:[ \t]{1,64}[^\n]{0,4096}\n?){1,200}")
_last_word = re.compile(r"(?a)\b([A-Za-z]{2,12}) \Z")
_words_of_phrase = re.compile(r"[^\s=:,;&\"'<>]{1,64}+(?:[ ][^\s=:,;&\"'<>]{1,64}+(?![=:])){0,64}")


def redact_pairs(text: str) -> str:
    """Return the text without the values that follow a secret key and a separator."""
    parts: list[str] = []
    copied = position = 0
    while match := _pair.search(text, position):
        # The value of a harmless key may contain a secret, for example JSON inside JSON.
        position = start = match.end()
        key = match["key"]
        if not (is_secret(key) or (key.lower() in ("key", "code") and _is_second_word(text, match))):
            continue
        if already_redacted.match(text, start):
            continue
        for first, end in _secret_parts(text, match):
            parts += (text[copied:first], REDACTED)
            copied = position = end
    return f"{''.join(parts)}{text[copied:]}" if parts else text


def _is_second_word(text: str, match: re.Match[str]) -> bool:
    """Return whether a key is the second word of a secret key: `API key: x`."""
    first = match.start("key")
    word = _last_word.search(text, max(0, first - 16), first) if not match["quote"] else None
    return word is not None and is_secret(f"{word[1]} {match['key']}")


def _secret_parts(text: str, match: re.Match[str]) -> list[tuple[int, int]]:
    """Return the start and end of each part of a value that is secret; none if the value is harmless."""
    start = match.end()
    if start == len(text) or not _has_value(text, match):
        return []
    parts = secret_parts_of_code(text, match, is_source=is_source_line(text, match.start()))
    if parts is not None:
        return parts
    end = _end_of_key_value(text, match)
    value = text[start:end]
    if not value or _no_secret.fullmatch(value) or is_directory(match["key"], value):
        return []
    is_pair = match.lastgroup == "argument" and _is_pair_open(text, match)
    return [] if is_pair and text[end : end + 1] not in ("]", ")") else [(start, end)]


def _has_value(text: str, match: re.Match[str]) -> bool:
    """Return whether what follows the separator is a value, and not the rest of a sentence."""
    kind = match.lastgroup
    if kind == "option" and not _is_option(text, match):
        return False
    if kind == "argument" and not _is_argument(text, match):
        return False
    if kind == "colon" and text[match.end()] in "\"'" and open_quote(text, match.start()) == text[match.end()]:
        # The quote ends a text such as "Password: ".
        return False
    word = _word.match(text, match.end()) if kind in ("colon", "option") and not match["quote"] else None
    return word is None or word[0].lower() not in _prose


def _is_option(text: str, match: re.Match[str]) -> bool:
    """Return whether a key is an option of a command line, such as `--password`, which a value may follow."""
    first = match.start("dash")
    return bool(match["dash"]) and (first == 0 or text[first - 1] in " \t\n\"'`") and not match["quote"]


def _is_argument(text: str, match: re.Match[str]) -> bool:
    """Return whether a key and a value are two items of a list, such as `['--password', 'x']` or `('Cookie', 'x')`."""
    return bool(match["quote"]) and (bool(match["dash"]) or _is_pair_open(text, match))


def _is_pair_open(text: str, match: re.Match[str]) -> bool:
    if match["dash"] or match["key"] == "auth":
        return False
    before = text[max(0, match.start() - 2) : match.start()]
    # A bracket after a name is a call: `get_model("token", "x")`.
    return before[-1:] == "[" or (before[-1:] == "(" and not (before[:-1].isalnum() or before[:-1] == "_"))


def _end_of_key_value(text: str, match: re.Match[str]) -> int:
    start, kind = match.end(), match.lastgroup or ""
    end = end_of_value(text, start, kind)
    if not match["quote"]:
        if kind == "colon" and text[start] not in "\"'`[({":
            end = max(end, _end_of_rest(text, match))
        elif kind == "assign" and "phrase" in match["key"].lower():
            end = max(end, _end_of_words(text, start))
    return end


def _end_of_rest(text: str, match: re.Match[str]) -> int:
    """Return where the rest of a line or quote ends that starts with a key, such as a line of YAML; else 0."""
    start, first = match.end(), match.start()
    line = text[max(0, first - 8) : first]
    mark = backslashed_quote.search(line)
    if mark is not None and mark.end() == len(line):
        return find_mark(text, mark[0], start, end_of_line(text, start))
    if line[-1:] in ("'", '"'):
        found = rest_of_line[line[-1]].match(text, start)
        return found.end() - 1 if found else end_of_line(text, start)
    if block := _block.match(text, start):
        return block.end()
    is_first = not line.rpartition("\n")[2].strip(" \t-*<>#") and ("\n" in line or first == len(line))
    return end_of_line(text, start) if is_first else 0


def _end_of_words(text: str, start: int) -> int:
    found = _words_of_phrase.match(text, start)
    return found.end() if found else start
