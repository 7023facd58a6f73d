"""Management commands are observed: those of the project and Django's batch commands."""

import functools
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from observability.observation import observe

# Servers, shells and tests: what runs inside them is observed on its own, or is no work of the service.
UNOBSERVED = frozenset({"runserver", "runserver_plus", "shell", "shell_plus", "dbshell", "test", "testserver"})
DJANGO_BATCH = frozenset(
    {
        "clearsessions",
        "collectstatic",
        "createcachetable",
        "dumpdata",
        "flush",
        "loaddata",
        "migrate",
        "remove_stale_contenttypes",
        "sendtestemail",
    }
)


def install() -> None:
    """Observe `BaseCommand.execute`, through which manage.py and `call_command` go; a second call changes nothing."""
    execute = BaseCommand.execute
    if hasattr(execute, "__wrapped__"):
        return

    @functools.wraps(execute)
    def execute_observed(self: BaseCommand, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        package, _, name = type(self).__module__.rpartition(".")
        if not is_observed(package, name):
            return execute(self, *arguments, **options)
        with observe(name, kind="command", expected=(CommandError,)):
            return execute(self, *arguments, **options)

    BaseCommand.execute = execute_observed  # type: ignore[method-assign]


def is_observed(package: str, name: str) -> bool:
    """Whether the command `name` of a package such as `service.management.commands` is a unit of work."""
    return name in DJANGO_BATCH if package.startswith("django.") else name not in UNOBSERVED
