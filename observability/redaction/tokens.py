"""Secrets that have a known shape, and need no key: private keys, tokens with a known prefix, HTTP tokens."""

import re

from observability.redaction.values import REDACTED

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
_scheme = re.compile(r"(?ia)\b(bearer|basic|token)[ \t]+([A-Za-z0-9._~+/=-]{8,8192})")
_key_and_value = re.compile(r"[a-z_.]+=\w")
_looks_random = re.compile(r"[0-9=+/_~]|[a-z][A-Z]")


def redact_private_keys(text: str) -> str:
    """Return the text without private keys, also without the end of one whose start was cut off."""
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


def redact_known_tokens(text: str) -> str:
    """Return the text without tokens that have a known prefix."""
    return _known_token.sub(_redact_known_token, text)


def _redact_known_token(match: re.Match[str]) -> str:
    return match[0] if match[0].islower() else REDACTED


def redact_http_tokens(text: str) -> str:
    """Return the text without tokens that follow a scheme of HTTP: `Bearer`, `Basic` or `Token`."""
    return _scheme.sub(_redact_http_token, text)


def _redact_http_token(match: re.Match[str]) -> str:
    # "Token authentication failed" contains no secret. So a plain word is not a token, except after "Bearer".
    if match[1].lower() != "bearer" and (not _looks_random.search(match[2]) or _key_and_value.match(match[2])):
        return match[0]
    return f"{match[1]} {REDACTED}"
