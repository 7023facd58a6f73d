"""The settings of the tests that run in pytest's own process: fast, silent, and strict with readers that fail."""

from tests.probe.settings.base import *
from tests.probe.settings.base import OBSERVABILITY, logging_layers

SENTRY_DSN = ""
SENTRY_SPOOL_DIR = ""
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING = logging_layers("test")
OBSERVABILITY = OBSERVABILITY | {
    "SERVER_TIMING": "everyone",
    "RAISE_READER_ERRORS": True,
    "VAR_DIR": "",
}
