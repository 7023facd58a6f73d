"""The command recorder observes the project's management commands and Django's batch commands."""

import functools
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from observability.core.context import observe

SERVERS = frozenset({"runserver", "runserver_plus", "testserver"})
# The work inside servers, shells and tests is observed separately, or is not work of the service.
UNOBSERVED = SERVERS | {"shell", "shell_plus", "dbshell", "test"}
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
    """Wrap `BaseCommand.execute`, which manage.py and `call_command` use. Safe to call twice."""
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


def owns_stdout(argv: Sequence[str]) -> bool:
    """Return whether these arguments start a management command that is not a server, so its output is on stdout.

    It looks at the arguments, because records are logged before the command object exists: while Django loads the apps.
    """
    program = PurePath(argv[0]) if argv else PurePath()
    is_django = program.stem in {"manage", "django-admin"} or program.parts[-2:] == ("django", "__main__.py")
    return is_django and argv[1:2] != [] and argv[1] not in SERVERS


def is_observed(package: str, name: str) -> bool:
    """Return whether a command is observed. `package` is for example `shop.management.commands`."""
    return name in DJANGO_BATCH if package.startswith("django.") else name not in UNOBSERVED
