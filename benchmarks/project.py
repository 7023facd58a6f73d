"""A project with production settings, an empty database and log files for one benchmark."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.core.management import call_command
from django.db import connections


@contextmanager
def temporary_project(settings: str = "settings.production") -> Iterator[None]:
    """Set up Django with these settings and an empty, migrated SQLite file, until the block ends.

    Once in a process. The settings are those of the service, or of the probe: `tests.probe.settings.production`.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": settings,
            "SECRET_KEY": secrets.token_urlsafe(50),
            "ALLOWED_HOSTS": "testserver",
            "INSECURE_HTTP": "true",
            "DATABASE_URL": f"sqlite:///{directory}/db.sqlite3",
            "LOG_DIR": f"{directory}/log",
        }
        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connections.close_all()
