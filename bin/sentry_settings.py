"""Settings of Bugsink: the file that bugsink-create-conf wrote, with changes for development.

`bin/sentry_server.py` uses this module. Its working directory has that file, the file `port` and all data of Bugsink.
"""

from pathlib import Path

import bugsink_conf
from bugsink_conf import *

NO_QUOTA = 1_000_000_000

BUGSINK = bugsink_conf.BUGSINK | {
    "BASE_URL": f"http://127.0.0.1:{Path('port').read_text()}",
    "SITE_TITLE": "Bugsink for Vitrine",
    "PHONEHOME": False,
    "INGEST_STORE_BASE_DIR": str(Path("ingestion").absolute()),
    # A developer causes many errors in a short time. Over a quota, Bugsink would reject events for a while.
    **{
        f"MAX_EVENTS_{scope}{time}": NO_QUOTA
        for scope in ("PER_PROJECT_", "")
        for time in ("PER_5_MINUTES", "PER_HOUR", "PER_MONTH")
    },
}

# Browsers send cookies to all ports of a host: with Django's names, a login here would end the session of the service.
SESSION_COOKIE_NAME = "bugsink_sessionid"
CSRF_COOKIE_NAME = "bugsink_csrftoken"

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

# Show only warnings and errors in the terminal.
LOGGING = bugsink_conf.LOGGING | {"root": {"level": "WARNING"}}
LOGGING["loggers"]["bugsink"]["level"] = "WARNING"
