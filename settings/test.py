"""Settings for tests: fast, without log output, and errors of readers are raised."""

from settings.base import *
from settings.base import OBSERVABILITY, logging_layers
from settings.database import databases

SECRET_KEY = "django-insecure-key-of-the-tests"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
DATABASES = databases(default_url="sqlite://:memory:", is_pooled=False)
ENVIRONMENT = "test"
SENTRY_DSN = ""
SENTRY_SPOOL_DIR = ""
LOGIN_FAILURES_DIR = ""
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING = logging_layers("test")
OBSERVABILITY = OBSERVABILITY | {
    "SERVER_TIMING": "everyone",
    "RAISE_READER_ERRORS": True,
    "VAR_DIR": "",
}
