"""Which keys are names of secrets: `password` and `X-Vault-Token` are, `token_count` and `tokenizer` are not."""

import re
from functools import lru_cache

from observability.conf import configuration

# A key is secret if it contains one of KEYS anywhere, or if its last word is one of LAST_WORDS.
KEYS = (
    "accesskey", "accountkey", "apikey", "appkey", "applicationkey", "authkey", "authorization", "cardnumber",
    "clientassertion", "codeverifier", "connectionstring", "consumerkey", "cookie", "credential", "csrf",
    "encryptionkey", "functionskey", "masterkey", "mnemonic", "passcode", "passkey", "passphrase", "passwd",
    "passwor", "passwrd", "pincode", "privatekey", "pswd", "resetkey", "samlresponse", "secret", "seedphrase",
    "sentrydsn", "servicekey", "sessid", "sessionid", "sessionkey", "sharedkey", "signature", "signingkey",
    "socialsecurity", "sshkey", "storagekey", "subscriptionkey", "tlskey", "token", "twofactor", "unlockkey", "xsrf",
)  # fmt: skip
LAST_WORDS = frozenset({
    "auth", "bearer", "creds", "cvc", "cvv", "dsn", "hmac", "jwt", "mfa", "otp", "pass", "pin", "psk", "pw", "pwd",
    "sas", "sig", "ssn", "totp",
})  # fmt: skip
# A code is secret if it is one of these: `mfa_code`, `recovery_codes`. `status_code` is not.
CODE_WORDS = frozenset({
    "access", "activation", "auth", "authorization", "backup", "confirmation", "device", "fa", "factor", "invite",
    "login", "mfa", "onetime", "otp", "pin", "recovery", "reset", "security", "sms", "time", "totp", "verification",
})  # fmt: skip
# `token_count` and `password_changed_at` describe a secret but are not one.
HARMLESS_LAST_WORDS = frozenset({
    "age", "algorithm", "algorithms", "at", "budget", "changed", "class", "consent", "count", "domain", "enabled",
    "endpoint", "exempt", "expired", "expires", "expiry", "field", "file", "format", "hashers", "httponly", "issuer",
    "length", "limit", "method", "minute", "mismatch", "mode", "name", "origins", "path", "policy", "prefix",
    "provider", "remaining", "required", "samesite", "scope", "second", "secure", "size", "source", "status", "stdin",
    "strength", "total", "ttl", "type", "uri", "usage", "used", "valid", "validators", "version", "view",
})  # fmt: skip
# The tokens of a language model are counted: `prompt_tokens`, `max_new_tokens`.
COUNTING_WORDS = frozenset({
    "accepted", "audio", "avg", "billed", "cached", "completion", "context", "generated", "image", "input", "limit",
    "max",
    "mean", "min", "n", "num", "number", "output", "prompt", "reasoning", "rejected", "remaining", "text", "thinking",
    "total", "used",
})  # fmt: skip

# In the text of a representation, the n of a line break (`\\n`) is not a part of the word after it.
start_of_word = r"(?:(?<![\w.\\])|(?<=\\)(?![nrt][a-zA-Z_])|(?<=\\[nrt]))"

_punctuation = re.compile(r"[^a-z0-9]")
_words = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# Words that contain a secret word, and are harmless.
_harmless_words = re.compile(
    r"tokeni[sz](?:ations?|ed?|ers?|es|ing)|secretar(?:y|ies|iats?)|secretions?|cookiecutter|passwordless"
)


@lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Return whether the value of this key is secret. Case and punctuation of the key do not matter.

    It is secret if the key contains one of KEYS or of OBSERVABILITY["REDACTED_KEYS"], or if its last word is one of
    LAST_WORDS (digits at the end do not count). It is not secret if the key has several words and the last one is in
    HARMLESS_LAST_WORDS, such as `token_count`, or if it counts tokens, such as `max_tokens`; but REDACTED_KEYS win over
    these exceptions.
    """
    lower = key.lower()
    folded = _punctuation.sub("", lower)
    if any(part in folded for part in _redacted_keys()):
        return True
    words = [word.lower() for word in _words.findall(key)]
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    if len(words) > 1 and (
        words[-1] in HARMLESS_LAST_WORDS or (words[-1] == "tokens" and not COUNTING_WORDS.isdisjoint(words))
    ):
        return False
    if words and (words[-1] in LAST_WORDS or words[-1].endswith("pwd") or folded.endswith("2fa")):
        return True
    if len(words) > 1 and words[-1] in ("code", "codes") and not CODE_WORDS.isdisjoint(words[:-1]):
        return True
    folded = _punctuation.sub("", _harmless_words.sub("", lower))
    return any(part in folded for part in KEYS)


def is_directory(key: str, value: object) -> bool:
    """Return whether it is the working directory of a shell, whose key looks like a short form of "password"."""
    return (
        key.upper() in ("PWD", "OLDPWD")
        and isinstance(value, str)
        and value != ""
        and (value[0] in "/~" or value[1:3] in (":\\", ":/"))
    )


@lru_cache(maxsize=1)
def _redacted_keys() -> tuple[str, ...]:
    return tuple(_punctuation.sub("", part.lower()) for part in configuration().redacted_keys)


def reload_keys() -> None:
    """Read OBSERVABILITY["REDACTED_KEYS"] again, after the setting changed."""
    _redacted_keys.cache_clear()
    is_secret.cache_clear()
