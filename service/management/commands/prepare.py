"""Make a database on this machine ready to be used; `bin/run` runs it before each start."""

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
    """Does what is not done yet, and prints a line for each thing that it did: nothing when all was done."""

    help = "Migrates the database, loads the demo fleet once, and makes the login admin; on this machine only."
    requires_migrations_checks = False

    def handle(self, **_: Any) -> None:
        if not settings.DEBUG and not settings.INSECURE_HTTP:
            raise CommandError(
                "prepare makes a demo fleet and a login: only in development, or for a trial (INSECURE_HTTP=true)."
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
            where = PASSWORD if settings.DEBUG else f"in {settings.VAR_DIR / 'password'}"
            self.stdout.write(f"Made the login {LOGIN} with the password {where}.")

    def _secret_password(self) -> str:
        """A password that nobody knows, kept in a file for whoever tries the service (mode 0600)."""
        password = secrets.token_urlsafe(16)
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        file = settings.VAR_DIR / "password"
        file.touch(mode=0o600)
        file.write_text(f"{password}\n")
        return password


def _migrate(alias: str) -> int:
    """Bring a database up to date, and return how many migrations changed it."""
    executor = MigrationExecutor(connections[alias])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", database=alias, interactive=False, verbosity=0)
    return sum(router.allow_migrate(alias, migration.app_label) for migration, _ in plan)


def require_database() -> None:
    """Raise CommandError where the database cannot be used; a traceback would bury the reason."""
    attempt = connection.copy()
    # A pool would try again and again, and not say why.
    attempt.settings_dict["OPTIONS"].pop("pool", None)
    try:
        attempt.ensure_connection()
    except OperationalError as error:
        reason = " ".join(str(error).split())
        raise CommandError(f"The {connection.vendor} database of DATABASE_URL cannot be used: {reason}.") from None
    finally:
        attempt.close()
