"""Find secrets in text: values of secret keys in any usual notation, and shapes of well-known secrets.

`redact_text` first removes what needs no key: private keys, tokens with a known prefix, credentials in addresses. Then
it looks for a secret key and a separator after it, and `_end_of_value` finds where the value ends. Each pattern is
bounded, and what a scan has passed is never scanned again: the cost grows linearly with the length of the text.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote, unquote

from observability.redaction.keys import clear_cache, is_directory, is_secret

REDACTED = "[redacted]"
MAX_TEXT = 65_536
MAX_VALUE = 8_192
MAX_EXPRESSION = 512
MAX_KEY = 160
# At the end of a text that is cut, a part of a secret would not be recognized as one.
MAX_CUT_WORD = 256
# `%2570` is an encoded `%70`, which is an encoded `p`.
MAX_DECODINGS = 3

# In the text of a representation, the n of a line break (`\\n`) is not a part of the word after it.
_start_of_word = r"(?:(?<![\w.\\])|(?<=\\)(?![nrt][a-zA-Z_])|(?<=\\[nrt]))"

# --- Shapes that need no key.

_private_key = re.compile(
    r"-----?[ ]?BEGIN (?:(?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?|PGP MESSAGE)[ ]?-----?"
    r"|PuTTY-User-Key-File-\d:"
)
_end_of_key = re.compile(r"-----?[ ]?END [A-Z0-9 ]{1,60}-----?|Private-MAC: [0-9a-f]+|-----")
_end_of_cut_key = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_base64_and_space = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n\\"
_known_token = re.compile(
    r"""(?a)(?<![A-Za-z0-9])(?:
    eyJ[A-Za-z0-9_-]{5,8192}\.[A-Za-z0-9_-]{5,8192}(?:\.[A-Za-z0-9_-]{0,8192}){0,3}  # JSON web token
    |A[KS]IA[A-Z0-9]{16}\b                                      # AWS
    |AIza[A-Za-z0-9_-]{35} | ya29\.[A-Za-z0-9_-]{20,2048}       # Google
    |gh[opsur]_[A-Za-z0-9]{20,255} | github_pat_[A-Za-z0-9]{16}[A-Za-z0-9_]{4,255}
    |gl[a-z]{2,6}-[A-Za-z0-9_-]{20,255}                         # GitLab
    |xox[a-z]-[A-Za-z0-9-]{10,255} | xapp-[A-Za-z0-9-]{10,255}  # Slack
    |(?:[rs]k_(?:live|test)|whsec)_[A-Za-z0-9+/=]{16,255}       # Stripe
    |sk-[A-Za-z0-9_-]{20,255}                                   # OpenAI, Anthropic
    |(?:npm|hf)_[A-Za-z0-9]{30,255} | pypi-[A-Za-z0-9_-]{50,255}
    |SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}             # SendGrid
    |hv[sbr]\.[A-Za-z0-9_-]{20,255}                             # Vault
    |AGE-SECRET-KEY-1[A-Z0-9]{20,100}
    |LS0tLS1CRUdJTi(?!BD)[A-Za-z0-9+/=]{20,16384}               # "-----BEGIN " in Base64, but not of a certificate
    )""",
    re.VERBOSE,
)
_webhook = re.compile(r"(hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/)[\w/-]{8,256}")
_scheme = re.compile(r"(?ia)\b(bearer|basic|token)[ \t]+([A-Za-z0-9._~+/=-]{8,8192})")
_key_and_value = re.compile(r"[a-z_.]+=\w")
_looks_random = re.compile(r"[0-9=+/_~]|[a-z][A-Z]")
# A password may contain @, and the password of a database also /. The path of a web address may contain both.
_web_address = re.compile(r"(?ia)(?<![a-z0-9+.-])((?:https?|wss?)://)[^\s/?#\"'<>]{0,2048}@")
_address = re.compile(r"(?ia)(?<![a-z0-9+.-])((?!https?:|wss?:)[a-z][a-z0-9+.-]{0,30}://)[^\s\"'<>]{0,2048}@")
_server = re.compile(
    r"(?ia)(?<![\w/:.+-])(\w[\w.-]{0,63}:)(?!/)[^\s:/@\"'<>]{1,256}@(?=[\w.-]{1,255}:\d|(?:tcp|unix)\()"
)
_network_path = re.compile(r"(?<![\w:/])(//)[^\s/?#\"'<>]{1,256}@")
# Programs whose option -p or -a is a password.
_short_option = re.compile(
    r"(?a)\b((?:mysql\w*|mariadb[\w-]*|sshpass)\b[^\n;|&]{0,256}?[\s'\"]-p|redis-cli\b[^\n;|&]{0,256}?[\s'\"]-a)"
    r"(['\", ]{0,4})(?!-|\[redacted)[^\s'\",\]]{1,256}"
)
_curl_user = re.compile(
    r"(?a)(?<![^\s'\"])((?:-u|--user|--proxy-user)[ =,'\"]{1,4}(?!\d+:\d+\b)[^\s:'\"]{1,128}:)[^\s'\"]{1,512}"
)

# --- Database errors and statements.

_constraint = re.compile(r"constraint \\{0,3}\"([^\"\\]{1,128})")
_rejected_key = re.compile(
    r"\bKey \((?P<columns>[^()=]{1,512})\)=\((?:(?!\) (?:already|is|conflicts)\b)[\s\S]){0,8192}\)?"
)
_rejected_row = re.compile(r"\bFailing row contains \([\s\S]{0,65536}")
_duplicate = re.compile(r"\bDuplicate entry '(?:(?!' for key)[\s\S]){0,8192}' for key '(?P<key>[^']{1,256})'")
_insert = re.compile(r"(?i)\bINTO [^\s(]{1,200} {0,4}\((?P<columns>[^()]{1,4096})\) {0,4}VALUES {0,4}(?=\()")
_next_row = re.compile(r"\s{0,8},\s{0,8}(?=\()")

# --- Headers, elements, and objects with a name and a value.

_header = re.compile(
    rf"(?ia){_start_of_word}(?:HTTP_)?(?:(?:proxy-)?authorization|(?:set-)?cookie2?)"
    r"(?:[ ]?:[ \t]*(?=\S)|[ ]?=[ ]?(?=(?:digest|oauth|hawk|aws4)\b|[^\s;&=\"']{1,256}=[^\s;&]{0,4096};))"
)
_element = re.compile(r"(?a)(?P<open><|&lt;)(?P<key>[A-Za-z_][\w.:-]{0,63})(?:\s[^<>&]{0,512})?(?:>|&gt;)")
_name_keys = "name|key|header|field|param|parameter|property|option|variable|id"
_value_keys = "value|val|content|default"
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
_name_element = re.compile(
    r"(?i)<(?P<tag>name|key)>\s{0,8}(?P<key>[\w.-]{1,64})\s{0,8}</(?P=tag)>\s{0,32}<(?P<value>[\w:.-]{1,32})>"
)
_attribute = re.compile(
    r"""(?i)\s(?P<name>name|key|id|value)\s?=\s?(?P<mark>\\{0,3}["'])(?P<value>[^"'<>\\]{1,512})(?P=mark)"""
)

# --- A key and a separator.

_types = r"(?:str|bytes|int|float|bool|Any|SecretStr|(?:t\.|typing\.)?Optional\[\w+\])(?:\ ?\|\ ?None)?"
_pair = re.compile(
    rf"""(?a)(?=[A-Za-z_"'`\\&2-])(?:{_start_of_word}|(?<=\.)(?=["`\\]))(?:b(?=["']))?(?P<quote>\\{{0,15}}["'`]|&(?:quot|apos|\#34|\#39|\#x22|\#x27);|)
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
_identified_by = re.compile(
    r"(?i)\bIDENTIFIED (?:WITH \S{1,64} )?(?:BY|AS) (?:PASSWORD )?(?=['\"])"
    r"|\bPASSWORD FOR [^=\n]{1,128}= ?(?:PASSWORD\()?(?=')"
    r"|\b(?:PASSWORD|CRYPT)\((?=')|\bPRAGMA (?:\w{1,64}\.)?(?:hex)?(?:re)?key ?= ?(?=')|\bAS \w{1,64} KEY (?=')"
    r"|\b(?:pgp_sym_(?:en|de)crypt|aes_(?:en|de)crypt)\([^,'\n]{0,128}, ?(?=')"
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
# A value that is already redacted.
_hidden = re.compile(r"(?:%20|\(){0,2}\[redacte")
_word = re.compile(r"[A-Za-z]+(?=[\s.!?:;,)\]]*(?:\s|\Z))")
_block = re.compile(r"[|>][+-]?\d?[ ]{0,8}\n(?:[ \t]{1,64}[^\n]{0,4096}\n?){1,200}")
_last_word = re.compile(r"(?a)\b([A-Za-z]{2,12}) \Z")
_words_of_phrase = re.compile(r"[^\s=:,;&\"'<>]{1,64}+(?:[ ][^\s=:,;&\"'<>]{1,64}+(?![=:])){0,64}")
_backslashed = re.compile(r"""(\\{1,15})(["'`])""")
_literal_prefix = re.compile(r"""(?i)[bruefnx]{0,2}(?=["'`])""")
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
_rest_of_line = {
    mark: re.compile(rf"(?:[^{mark}\\\n]|\\[^\n]|{mark}{mark}|{mark}(?=[A-Za-z0-9])){{0,{MAX_VALUE}}}{mark}")
    for mark in "\"'`"
}
_line = re.compile(r"[^\r\n]*")
_entity = re.compile(r"&(?:quot|apos|#34|#39|#x22|#x27);")
_dollar_quote = re.compile(r"\$\w{0,16}\$")
_opening = {"[": "]", "(": ")", "{": "}"}
_nested = re.compile(r"""[\[({]|[\])}]|\\.|"(?:[^"\\\n]|\\.){0,8192}"|'(?:[^'\\\n]|\\.){0,8192}'""")
_nested_or_delimiter = re.compile(rf"{_nested.pattern}|[,;]")
_call = re.compile(r"[A-Za-z_][\w.]{0,127}(?=[(\[])")
_call_with_literal = re.compile(r"[A-Za-z_][\w.]{0,127}(?=\([bruBRU\"'])")
_identifiers = re.compile(r"[\w.,=*\s]*")
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
_number = re.compile(r"-?\d[\d_.]*(?!\w)")
_named_literal = re.compile(
    r"""(?:(?<=[\w)\]])(?<!ARRAY)\[|\bget\w*\(|\bpop\(|\benv\w*\()\s?["']([\w.-]{1,64})["']\s?[\]),]"""
)
_code_literal = re.compile(r"""(?i)([bruf]{0,2})("(?:[^"\\\n]|\\.){0,8192}"|'(?:[^'\\\n]|\\.){0,8192}')""")
_frame = re.compile(r' {1,64}(?:[|] )?File "[^"\n]{1,512}", line \d')
_percent = re.compile(r"%[0-9A-Fa-f]{2}")
_parameter = re.compile(r"[^\s&?;\"'<>]++")
_escape = re.compile(r"\\{1,4}(?:u00|x)([2-7][0-9A-Fa-f])")

# --- The check before.

# Each pattern starts with one character, so that the search jumps from one of them to the next.
_after_space = re.compile(r" (?:-|(?<=[rncRNC] )(?i:(?<=bearer )|(?<=token )|(?<=basic )))")
_after_dash = re.compile(r"-(?:(?=[A-Za-z0-9_-]{10})(?:(?<=[tkpiY]-)|(?<=xox[a-z]-))|(?=---))")
_after_underscore = re.compile(r"_(?=[A-Za-z0-9+/=]{16})")
_after_dot = re.compile(r"\.(?=[A-Za-z0-9_-]{16})")
_key_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.[]-"
# The last words of keys of two words, and the keys of objects with a name and a value.
_words_before_colon = frozenset({"code", *_name_keys.split("|"), *_value_keys.split("|")})
_colon_of_value = re.compile(r":(?!//)(?<!\":)(?!(?<=[T \":]\d\d:)\d\d)")


def redact_text(text: str) -> str:
    """Return the text without the secrets that can be recognized.

    These are: the value of a secret key, in any usual notation (`key=value`, `"key": value`, `--key value`, headers,
    elements of XML, objects with a name and a value, literals of SQL, percent-encoded); tokens with a known prefix,
    HTTP tokens and JSON web tokens; private keys; credentials in addresses; the values of a row that a database
    rejected, if a column or the constraint has a secret name.

    In the source lines of a traceback, only literals can be secrets: names and calls stay.
    """
    if len(text) > MAX_TEXT:
        text = _cut(text)
    return _redact(text, MAX_DECODINGS) if may_hold_secret(text) else str(text)


def may_hold_secret(text: str) -> bool:
    """Return whether `redact_text` may change the text. This check is fast; only the answer False is certain."""
    return '"' in text or "\n" in text or "\t" in text or "\r" in text or json_may_hold_secret(text, 0)


def json_may_hold_secret(text: str, key_count: int) -> bool:
    """Return whether `redact_text` may change a value of a JSON object, which has no objects or lists inside.

    In such JSON without spaces, a line break, tab or double quote inside a value has a backslash, and each key has one
    colon. Only the answer False is certain. The caller checks the keys.

    The checks are ordered by their cost: a search for one character takes a tenth of the time of one for two.
    """
    if (
        "=" in text or "'" in text or "\\" in text or "@" in text or "%" in text or "&" in text
        or "`" in text or "$" in text
    ):  # fmt: skip
        return True
    if text.count(":") > key_count and _has_colon_after_secret_key(text):
        return True
    if " " in text and (
        _after_space.search(text) is not None or ("-" in text and (text[0] == "-" or text.rfind('"-') >= 0))
    ):
        return True
    if ("<" in text and "</" in text) or ("/" in text and text.rfind(".com/") >= 0 and _webhook.search(text)):
        return True
    # Private keys and tokens with a known prefix have a capital letter.
    return text.lower() != text and (
        _after_underscore.search(text) is not None
        or ("-" in text and _after_dash.search(text) is not None)
        or ("." in text and _after_dot.search(text) is not None)
        or ("J" in text and text.rfind("eyJ") >= 0)
        or ("I" in text and (text.rfind("KIA") >= 0 or text.rfind("SIA") >= 0 or "AIza" in text))
        or ("F" in text and "Failing row" in text)
        or ("L" in text and "LS0tLS1" in text)
    )


def _has_colon_after_secret_key(text: str) -> bool:
    for match in _colon_of_value.finditer(text):
        before = text[max(0, match.start() - MAX_KEY) : match.start()].rstrip(" )")
        word = before[len(before.rstrip(_key_characters)) :]
        if _may_precede_secret(word):
            return True
    return False


@lru_cache(maxsize=4096)
def _may_precede_secret(word: str) -> bool:
    return is_secret(word) or word.lower() in _words_before_colon or "PuTTY" in word


def reload_keys() -> None:
    """Read OBSERVABILITY["REDACTED_KEYS"] again, after the setting changed."""
    clear_cache()
    _may_precede_secret.cache_clear()


def _cut(text: str) -> str:
    start = text[:MAX_TEXT]
    before, _, word = start.rpartition(" ")
    return f"{before} …" if before and len(word) <= MAX_CUT_WORD else f"{start}…"


def _redact(text: str, decodings: int) -> str:
    text = _redact_private_keys(text)
    text = _known_token.sub(_redact_known_token, text)
    lower = text.lower()
    if "authorization" in lower or "cookie" in lower:
        text = _redact_headers(text)
    text = _scheme.sub(_redact_token, text)
    text = _redact_addresses(text)
    text = _redact_row(text)
    if "</" in text or "&lt;/" in text:
        text = _redact_elements(text)
    if "<" in text and "value" in text:
        text = _element.sub(_redact_attributes, text)
    if '"' in text or "'" in text:
        text = _redact_literals_of_statements(text)
        text = _form_part.sub(_redact_form_part, text) if "name=" in text else text
    if ("val" in lower or "content" in lower or "default" in lower) and _value_key.search(text):
        text = _redact_named_values(text)
    text = _redact_pairs(text)
    return _redact_decoded(text, decodings) if decodings else text


def _redact_addresses(text: str) -> str:
    if "@" in text:
        text = _web_address.sub(rf"\1{REDACTED}@", text)
        text = _address.sub(rf"\1{REDACTED}@", text)
        text = _server.sub(rf"\1{REDACTED}@", text)
        text = _network_path.sub(rf"\1{REDACTED}@", text)
    if ".com/" in text:
        text = _webhook.sub(rf"\1{REDACTED}", text)
    if "-u" in text or "-p" in text or "-a" in text:
        text = _curl_user.sub(rf"\1{REDACTED}", text)
        text = _short_option.sub(rf"\1\2{REDACTED}", text)
    return text


def _redact_decoded(text: str, decodings: int) -> str:
    if "\\" in text:
        text = _redact_escaped(text, decodings)
    if "%" in text and _percent.search(text):
        text = _parameter.sub(lambda match: _redact_encoded(match[0], decodings), text)
    return text


def _redact_encoded(parameter: str, decodings: int) -> str:
    """Return a part of a URL or form between two delimiters. It stays encoded, unless it has a secret."""
    if "%" not in parameter:
        return parameter
    decoded = unquote(parameter)
    redacted = _redact(decoded, decodings - 1)
    return parameter if redacted == decoded else quote(redacted, safe="[]=/:,@!$()*+;?{}&")


def _redact_escaped(text: str, decodings: int) -> str:
    """Return the text; if letters with escapes of JSON or Python hide a secret, without these escapes."""
    decoded = _escape.sub(_unescape, text)
    if decoded == text:
        return text
    redacted = _redact(decoded, decodings - 1)
    return text if redacted == decoded else redacted


def _unescape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return match[0] if character in "\"'\\`" else character


def _redact_private_keys(text: str) -> str:
    if "--" not in text and "PuTTY" not in text:
        return text
    parts: list[str] = []
    copied = 0
    while match := _private_key.search(text, copied):
        end = _end_of_key.search(text, match.end())
        parts += (text[copied : match.start()], REDACTED)
        copied = len(text) if end is None else end.end()
    text = f"{''.join(parts)}{text[copied:]}"
    if match := _end_of_cut_key.search(text):
        text = f"{text[: match.start()].rstrip(_base64_and_space)}{REDACTED}{text[match.end() :]}"
    return text


def _redact_known_token(match: re.Match[str]) -> str:
    return match[0] if match[0].islower() else REDACTED


def _redact_token(match: re.Match[str]) -> str:
    # "Token authentication failed" contains no secret. So a plain word is not a token, except after "Bearer".
    if match[1].lower() != "bearer" and (not _looks_random.search(match[2]) or _key_and_value.match(match[2])):
        return match[0]
    return f"{match[1]} {REDACTED}"


def _redact_headers(text: str) -> str:
    """Return the text without the values of headers with credentials: up to the end of the quote or the line."""
    parts: list[str] = []
    copied = position = 0
    while match := _header.search(text, position):
        start, position = match.end(), match.end()
        mark = _open_quote(text, match.start())
        if not mark and text[match.start() - 1 : match.start()] in ("'", '"'):
            mark = text[match.start() - 1]
        if _hidden.match(text, start):
            continue
        end = _end_of_header(text, start, mark)
        if end > start:
            parts += (text[copied:start], REDACTED)
            copied = position = end
    return f"{''.join(parts)}{text[copied:]}" if parts else text


def _open_quote(text: str, position: int) -> str:
    """Return the quote, with its backslashes, that is open at a position of a line; "" if none is."""
    start = max(text.rfind("\n", 0, position) + 1, position - MAX_CUT_WORD)
    index = max(text.rfind('"', start, position), text.rfind("'", start, position))
    if index < 0:
        return ""
    first = index
    while first > start and text[first - 1] == "\\":
        first -= 1
    before, after = text[first - 1 : first] if first else "", text[index + 1]
    is_opening = (not before or before in " \t\n[({,:=bru") and after not in " ,:]})"
    return text[first : index + 1] if is_opening else ""


def _end_of_header(text: str, start: int, mark: str) -> int:
    end = _end_of_line(text, start)
    if not mark:
        return end
    escaped = text.find(r"\r\n", start, end)
    if escaped >= 0:
        end = escaped
    if len(mark) == 1:
        found = _rest_of_line[mark].match(text, start, end)
        return found.end() - 1 if found else end
    return _find_mark(text, mark, start, end)


def _find_mark(text: str, mark: str, start: int, end: int) -> int:
    """Return the position of a quote with exactly as many backslashes as `mark`, or `end`."""
    position = start
    while (position := text.find(mark, position, end)) >= 0:
        if text[position - 1] != "\\" or position == start:
            return position
        position += len(mark)
    return end


def _end_of_line(text: str, position: int) -> int:
    found = _line.match(text, position)
    return found.end() if found else position


def _redact_elements(text: str) -> str:
    parts: list[str] = []
    copied = position = 0
    while match := _element.search(text, position):
        position = match.end()
        key = match["key"]
        if not _is_secret_element(match) or _hidden.match(text, position):
            continue
        end = text.find(f"{match['open']}/{key}", position, position + MAX_VALUE)
        if end > position:
            parts += (text[copied:position], REDACTED)
            copied = position = end
    text = f"{''.join(parts)}{text[copied:]}" if parts else text
    return _redact_found(text, _name_element, _end_of_value_element) if "<" in text else text


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


def _redact_form_part(match: re.Match[str]) -> str:
    return f"{match[1]}{REDACTED}" if is_secret(match["key"]) else match[0]


def _redact_named_values(text: str) -> str:
    """Return the text without the values of objects such as `{"name": "password", "value": …}`."""
    parts: list[str] = []
    copied = position = 0
    while match := _named_key.search(text, position):
        position = match.end()
        value = _value_after_name.match(text, position) if is_secret(match["key"]) else None
        if value is not None and not _hidden.match(text, value.end()):
            end = _end_of_value(text, value.end(), "assign")
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


def _redact_literals_of_statements(text: str) -> str:
    upper = text.upper()
    if "VALUES" in upper:
        text = _redact_found(text, _insert, _end_of_rows)
    if "IDENTIFIED" in upper or "PASSWORD FOR" in upper or "PASSWORD(" in upper or "CRYPT(" in upper or "KEY" in upper:
        text = _redact_found(text, _identified_by, lambda match: _end_of_literal(match.string, match.end()))
    return text


def _redact_found(text: str, pattern: re.Pattern[str], find_end: Callable[[re.Match[str]], int]) -> str:
    parts: list[str] = []
    copied = position = 0
    while match := pattern.search(text, position):
        position = match.end()
        end = find_end(match)
        if end > position and not _hidden.match(text, position):
            is_row = text[position] == "("
            parts += (text[copied:position], f"({REDACTED})" if is_row else REDACTED)
            copied = position = end
    return f"{''.join(parts)}{text[copied:]}" if parts else text


def _end_of_rows(match: re.Match[str]) -> int:
    """Return the end of the rows of an INSERT; its start if no column is secret or there is no literal."""
    text, end = match.string, match.end()
    if not any(is_secret(column.strip(' "`\n')) for column in match["columns"].split(",")):
        return end
    while True:
        end = _end_of_brackets(text, end, len(text))
        following = _next_row.match(text, end)
        if following is None:
            break
        end = following.end()
    rows = text[match.end() : end]
    return end if "'" in rows or '"' in rows else match.end()


def _redact_row(text: str) -> str:
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


def _redact_pairs(text: str) -> str:
    parts: list[str] = []
    copied = position = 0
    while match := _pair.search(text, position):
        # The value of a harmless key may contain a secret, for example JSON inside JSON.
        position = start = match.end()
        key = match["key"]
        if not (is_secret(key) or (key.lower() in ("key", "code") and _is_second_word(text, match))):
            continue
        if _hidden.match(text, start):
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
    parts = _code_parts(text, match, is_source=_is_source_line(text, match.start()))
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
    if kind == "colon" and text[match.end()] in "\"'" and _open_quote(text, match.start()) == text[match.end()]:
        # The quote ends a text such as "Password: ".
        return False
    word = _word.match(text, match.end()) if kind in ("colon", "option") and not match["quote"] else None
    return word is None or word[0].lower() not in _prose


def _end_of_key_value(text: str, match: re.Match[str]) -> int:
    start, kind = match.end(), match.lastgroup or ""
    end = _end_of_value(text, start, kind)
    if not match["quote"]:
        if kind == "colon" and text[start] not in "\"'`[({":
            end = max(end, _end_of_rest(text, match))
        elif kind == "assign" and "phrase" in match["key"].lower():
            end = max(end, _end_of_words(text, start))
    return end


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


def _end_of_rest(text: str, match: re.Match[str]) -> int:
    """Return where the rest of a line or quote ends that starts with a key, such as a line of YAML; else 0."""
    start, first = match.end(), match.start()
    line = text[max(0, first - 8) : first]
    mark = _backslashed.search(line)
    if mark is not None and mark.end() == len(line):
        return _find_mark(text, mark[0], start, _end_of_line(text, start))
    if line[-1:] in ("'", '"'):
        found = _rest_of_line[line[-1]].match(text, start)
        return found.end() - 1 if found else _end_of_line(text, start)
    if block := _block.match(text, start):
        return block.end()
    is_first = not line.rpartition("\n")[2].strip(" \t-*<>#") and ("\n" in line or first == len(line))
    return _end_of_line(text, start) if is_first else 0


def _end_of_words(text: str, start: int) -> int:
    found = _words_of_phrase.match(text, start)
    return found.end() if found else start


def _is_source_line(text: str, position: int) -> bool:
    """Return whether the line of a position is a source line of a traceback: after `File "…", line 1`."""
    start = text.rfind("\n", 0, position)
    if start <= 0 or text[start + 1 : start + 5] != "    ":
        return False
    return _frame.match(text, text.rfind("\n", 0, start) + 1) is not None


def _code_parts(text: str, match: re.Match[str], *, is_source: bool) -> list[tuple[int, int]] | None:
    """Return the secret parts of an expression: literals; None if the value is not an expression.

    In a source line, each name is an expression. Elsewhere, after `= `, only a call without literals is one, and an
    access by the name of a secret: `get_token(request)`, `environ["API_KEY"]`.
    """
    start = match.end()
    if not is_source:
        call = _call.match(text, start)
        if call is None or match[0][-1] != " ":
            return None
        end = _end_of_brackets(text, call.end(), min(_end_of_line(text, start), start + MAX_EXPRESSION))
        inside = text[call.end() + 1 : end - 1]
        if _identifiers.fullmatch(inside) and not (inside and inside[0].isdigit()):
            return []
        named = _named_literal.search(text, start, end)
        return [] if named is not None and is_secret(named[1]) and named.end() <= end <= named.end() + 1 else None
    if text[start] in "\"'`\\" or _number.match(text, start) or _literal_prefix.match(text, start):
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
    limit = min(_end_of_line(text, start), start + MAX_EXPRESSION)
    depth = 0
    for match in _nested_or_delimiter.finditer(text, start, limit):
        found = match[0]
        if found in _opening:
            depth += 1
        elif found in "])}" and depth:
            depth -= 1
        elif found in "])},;" and not depth:
            return match.start()
    return limit


def _end_of_value(text: str, start: int, kind: str) -> int:  # noqa: PLR0911 - one for each notation
    """Return the end of the value that starts at a position."""
    if start >= len(text):
        return start
    end = _end_of_literal(text, start)
    if end > start:
        return end
    if text[start] in _opening:
        return _end_of_brackets(text, start, len(text))
    if text[start] == "<" and (end := text.find(">", start, _end_of_line(text, start))) > 0:
        return end + 1
    if call := _call_with_literal.match(text, start):
        return _end_of_brackets(text, call.end(), _end_of_line(text, start))
    found = _bare.match(text, start)
    if found is None:
        return start
    end = found.end()
    # The end of a sentence is not a part of the value.
    if kind != "assign" and text[end - 1] in ".!?" and end - start > 1:
        end -= 1
    return end


def _end_of_literal(text: str, start: int) -> int:
    """Return the end of a literal in quotes, also of Python, SQL or JSON inside JSON; the start if there is none.

    If the quote is not closed, the literal ends with the line.
    """
    if match := _backslashed.match(text, start):
        found = _find_mark(text, match[0], match.end(), len(text))
        return found + len(match[0]) if found < len(text) else _end_of_line(text, start)
    if match := _entity.match(text, start):
        found = text.find(match[0], match.end(), match.end() + MAX_VALUE)
        return found + len(match[0]) if found >= 0 else _end_of_line(text, start)
    if match := _dollar_quote.match(text, start):
        found = text.find(match[0], match.end(), match.end() + MAX_VALUE)
        return found + len(match[0]) if found >= 0 else start
    prefix = _literal_prefix.match(text, start)
    if prefix is None:
        return start
    first = prefix.end()
    if triple := _triple.match(text, first):
        found = text.find(triple[0], triple.end(), triple.end() + MAX_VALUE)
        if found >= 0:
            return found + len(triple[0])
    mark = text[first]
    rest = _rest_of_line[mark].match(text, first + 1) or _rest_of_literal[mark].match(text, first + 1)
    return rest.end() if rest is not None else _end_of_line(text, start)


def _end_of_brackets(text: str, start: int, end: int) -> int:
    """Return the position after the bracket that closes the one at `start`; if it is not closed, a bound."""
    closing: list[str] = []
    limit = min(end, start + MAX_VALUE)
    for match in _nested.finditer(text, start, limit):
        bracket = match[0]
        if bracket in _opening:
            closing.append(_opening[bracket])
        elif closing and bracket == closing[-1]:
            closing.pop()
            if not closing:
                return match.end()
    return limit
