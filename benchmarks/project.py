"""Set up the probe project or the service with production settings and temporary files, for a benchmark."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.core.management import call_command
from django.db import connections


@contextmanager
def temporary_project(settings: str = "tests.probe.settings.production") -> Iterator[None]:
    """Set up Django with a migrated SQLite database, which is deleted at the end of the block. Use once per process."""
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
