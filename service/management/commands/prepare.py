"""Make a developer's database ready to be used; `bin/run` runs it before each start."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from service.models import Truck

LOGIN = "admin"
PASSWORD = "admin"  # noqa: S105 - printed at each start, and never made without DEBUG


class Command(BaseCommand):
    """Does what is not done yet, and prints a line for each thing that it did: nothing when all was done."""

    help = "Migrates the development database, loads the demo fleet once, and makes the login admin."
    requires_migrations_checks = False

    def handle(self, **_: Any) -> None:  # noqa: ANN401 - Django's signature
        if not settings.DEBUG:
            raise CommandError("prepare makes a login that everybody knows: it runs in development only (DEBUG).")
        require_database()
        self._migrate()
        if not Truck.objects.exists():
            call_command("load_demo_fleet", stdout=self.stdout)
        users = get_user_model().objects
        if not users.filter(username=LOGIN).exists():
            users.create_superuser(LOGIN, password=PASSWORD)
            self.stdout.write(f"Made the login {LOGIN} with the password {PASSWORD}.")

    def _migrate(self) -> None:
        executor = MigrationExecutor(connection)
        count = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if count:
            call_command("migrate", interactive=False, verbosity=0)
            self.stdout.write(f"Applied {count} {'migration' if count == 1 else 'migrations'}.")


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
