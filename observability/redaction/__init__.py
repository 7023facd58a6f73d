"""Redaction: replace values that have a secret key, and text that looks like a known kind of secret.

Logs, Sentry and the profiler show data only after `redact()`, and text only after `redact_text()`.
"""

from observability.redaction.data import NAME_KEYS, redact, reload_keys
from observability.redaction.keys import is_secret
from observability.redaction.text import MAX_TEXT, json_may_hold_secret, may_hold_secret, redact_text
from observability.redaction.values import REDACTED

__all__ = [
    "MAX_TEXT",
    "NAME_KEYS",
    "REDACTED",
    "is_secret",
    "json_may_hold_secret",
    "may_hold_secret",
    "redact",
    "redact_text",
    "reload_keys",
]
