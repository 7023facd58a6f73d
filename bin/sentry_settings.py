"""Bugsink's settings: those that bugsink-create-conf wrote, and what is different here.

Read by `bin/sentry_server.py`, in whose working directory that file, the port and everything that Bugsink stores are.
"""

from pathlib import Path

import bugsink_conf
from bugsink_conf import *

ENOUGH_EVENTS = 1_000_000_000

BUGSINK = bugsink_conf.BUGSINK | {
    "BASE_URL": f"http://127.0.0.1:{Path('port').read_text()}",
    "SITE_TITLE": "Bugsink for Vitrine",
    "PHONEHOME": False,
    "INGEST_STORE_BASE_DIR": str(Path("ingestion").absolute()),
    # Whoever looks for failures provokes many at once, and its answer to those over a quota would be a pause.
    **{
        f"MAX_EVENTS_{scope}{time}": ENOUGH_EVENTS
        for scope in ("PER_PROJECT_", "")
        for time in ("PER_5_MINUTES", "PER_HOUR", "PER_MONTH")
    },
}

# Browsers send cookies to every port of a machine: with Django's names a login here would end the one of the service.
SESSION_COOKIE_NAME = "bugsink_sessionid"
CSRF_COOKIE_NAME = "bugsink_csrftoken"

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

# The terminal shows where to look, and what goes wrong.
LOGGING = bugsink_conf.LOGGING | {"root": {"level": "WARNING"}}
LOGGING["loggers"]["bugsink"]["level"] = "WARNING"
