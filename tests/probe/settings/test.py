"""Settings for tests in the process of pytest: fast, without log output, and errors of readers are raised."""

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
