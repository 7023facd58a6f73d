"""Health checks: `/livez` (the process answers) and `/readyz` (it can serve), for orchestrators and load balancers."""

from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.db import connection, router, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from observability import note

View = Callable[[HttpRequest], HttpResponse]


class MigrationsMissing(Exception):
    """The code has `count` migrations that are not applied to the database."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


def probe(view: View) -> View:
    """Return the view as a health check: GET and HEAD only, never cached, and not in a transaction.

    ATOMIC_REQUESTS would need the database before the view runs.
    """
    for alias in settings.DATABASES:
        view = transaction.non_atomic_requests(using=alias)(view)
    return cache_control(no_store=True)(csrf_exempt(require_safe(view)))


@probe
def livez(_request: HttpRequest) -> HttpResponse:
    """Return 200 if the process answers. The database does not matter: a restart of the process would not repair it."""
    return JsonResponse({"status": "ok"})


@probe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Return 200 if the database answers and has all migrations, else 503 and the problem, without secrets.

    After the first 200 it costs one `SELECT 1`.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        require_migrations()
    except MigrationsMissing as error:
        missing = "1 migration is" if error.count == 1 else f"{error.count} migrations are"
        return _not_ready(f"{missing} not applied: run `manage.py migrate`")
    except Exception as error:
        # The message of the error may contain a password.
        return _not_ready(f"the database does not answer: {type(error).__name__}")
    return JsonResponse({"status": "ok"})


@cache
def require_migrations() -> None:
    """Raise `MigrationsMissing` if migrations are not applied.

    If all are applied, the process does not check again.
    """
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    # Skip apps whose tables are in another database.
    missing = [migration for migration, _ in plan if router.allow_migrate(connection.alias, migration.app_label)]
    if missing:
        raise MigrationsMissing(len(missing))


def _not_ready(problem: str) -> HttpResponse:
    note(problem=problem)
    return JsonResponse({"status": "not ready", "problem": problem}, status=503)
