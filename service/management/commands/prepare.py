"""Prepare the database on this machine; `bin/run` runs the command before each start."""

import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection, connections, router
from django.db.migrations.executor import MigrationExecutor

from service.models import Truck

LOGIN = "admin"
PASSWORD = "admin"


class Command(BaseCommand):
    """Do the steps that are not done yet, and print a line for each. If all are done, print nothing."""

    help = (
        "Apply the migrations, load the demo fleet if there are no trucks, and create the login admin if it does not "
        "exist. For development, or to try the production settings on this machine."
    )
    requires_migrations_checks = False

    def handle(self, **_: Any) -> None:
        if not settings.DEBUG and not settings.INSECURE_HTTP:
            raise CommandError(
                "prepare creates demo data and a login, so it runs only in development, or with INSECURE_HTTP=true to "
                "try the production settings on this machine. On a server, run `manage.py migrate`."
            )
        require_database()
        count = sum(map(_migrate, connections))
        if count:
            self.stdout.write(f"Applied {count} {'migration' if count == 1 else 'migrations'}.")
        if not settings.DEBUG:
            call_command("collectstatic", interactive=False, verbosity=0)
        if not Truck.objects.exists():
            call_command("load_demo_fleet", stdout=self.stdout)
        users = get_user_model().objects
        if not users.filter(username=LOGIN).exists():
            users.create_superuser(LOGIN, password=PASSWORD if settings.DEBUG else self._secret_password())
            shown = PASSWORD if settings.DEBUG else f"in {settings.VAR_DIR / 'password'}"
            self.stdout.write(f"Created the login {LOGIN} with the password {shown}.")

    def _secret_password(self) -> str:
        """Write a random password to `VAR_DIR/password` (mode 0600) and return it."""
        password = secrets.token_urlsafe(16)
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        file = settings.VAR_DIR / "password"
        file.touch(mode=0o600)
        file.write_text(f"{password}\n")
        return password


def _migrate(alias: str) -> int:
    """Apply the missing migrations to a database. Return how many of them change this database (see its router)."""
    executor = MigrationExecutor(connections[alias])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", database=alias, interactive=False, verbosity=0)
    return sum(router.allow_migrate(alias, migration.app_label) for migration, _ in plan)


def require_database() -> None:
    """Raise CommandError with the reason if the database cannot be used; a traceback would hide the reason."""
    attempt = connection.copy()
    # Connect without the pool, which would retry until its timeout and not report the reason.
    attempt.settings_dict["OPTIONS"].pop("pool", None)
    try:
        attempt.ensure_connection()
    except OperationalError as error:
        reason = " ".join(str(error).split())
        raise CommandError(
            f"Cannot connect to the {connection.vendor} database of DATABASE_URL: {reason.removesuffix('.')}. Check "
            "that the database server runs and that DATABASE_URL is correct."
        ) from None
    finally:
        attempt.close()
