"""Whether this process lives, and whether it can serve: for the probes of an orchestrator or a load balancer."""

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
    """The database is behind the code; `count` migrations have to be applied."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


def probe(view: View) -> View:
    """GET and HEAD only, never cached, and outside of a transaction, which would need the database before the view."""
    for alias in settings.DATABASES:
        view = transaction.non_atomic_requests(using=alias)(view)
    return cache_control(no_store=True)(csrf_exempt(require_safe(view)))


@probe
def livez(_request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers, whatever its database does: a restart would not mend that."""
    return JsonResponse({"status": "ok"})


@probe
def readyz(_request: HttpRequest) -> HttpResponse:
    """200 when the database answers and has all migrations; else 503 and what is wrong, without a secret.

    Costs one `SELECT 1` from the first positive answer on.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        require_migrations()
    except MigrationsMissing as error:
        return _not_ready(f"{error.count} migrations are not applied: run `manage.py migrate`")
    except Exception as error:
        # Not its message, which may hold a password.
        return _not_ready(f"the database does not answer: {type(error).__name__}")
    return JsonResponse({"status": "ok"})


@cache
def require_migrations() -> None:
    """Raise `MigrationsMissing` unless all are applied; that they are is remembered for the life of the process."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    # An app whose tables are in another database does not make this one wait.
    missing = [migration for migration, _ in plan if router.allow_migrate(connection.alias, migration.app_label)]
    if missing:
        raise MigrationsMissing(len(missing))


def _not_ready(problem: str) -> HttpResponse:
    note(problem=problem)
    return JsonResponse({"status": "not ready", "problem": problem}, status=503)
