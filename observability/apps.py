"""The Django app `observability`. It installs the recorders and the readers."""

import sys
from collections.abc import Callable
from typing import Any

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import got_request_exception
from django.dispatch import receiver
from django.http import HttpRequest
from django.test.signals import setting_changed
from django.utils.module_loading import import_string

from observability import redaction
from observability.conf import configuration, find_wrong_values
from observability.core.readers import readers
from observability.recorders import commands, database, http_clients


class ObservabilityConfig(AppConfig):
    name = "observability"

    def ready(self) -> None:
        from observability import checks  # noqa: F401, PLC0415 - registers the checks

        database.install()
        http_clients.install()
        commands.install()
        install_readers()


def install_readers() -> None:
    """Create and install the readers of OBSERVABILITY["READERS"].

    Raises `ImproperlyConfigured` if the value is not a list of strings, or if a class cannot be imported.
    """
    paths = configuration().readers
    if find_wrong_values({"READERS": paths}):
        message = f"OBSERVABILITY['READERS'] is {paths!r}. Allowed: a list of dotted names of reader classes."
        raise ImproperlyConfigured(message)
    instances = [_import_reader(path)() for path in paths]
    readers.install(instances, raise_errors=configuration().raise_reader_errors)


def _import_reader(path: str) -> Callable[[], object]:
    try:
        reader: Callable[[], object] = import_string(path)
    except ImportError as error:
        message = (
            f"OBSERVABILITY['READERS'] contains {path!r}, which cannot be imported: {error}. "
            "Correct the name, or remove it from the list."
        )
        raise ImproperlyConfigured(message) from error
    return reader


@receiver(setting_changed, dispatch_uid="observability.apps")
def reload_configuration(*, setting: str, **_: object) -> None:
    """Apply `override_settings(OBSERVABILITY=…)` in tests."""
    if setting == "OBSERVABILITY":
        configuration.cache_clear()
        redaction.reload_keys()
        install_readers()


@receiver(got_request_exception, dispatch_uid="observability.apps")
def remember_exception(*, request: HttpRequest | None = None, **_: Any) -> None:  # noqa: ANN401
    """Record an exception that Django turns into a 500 response before the middleware sees it."""
    observation = getattr(request, "observation", None)
    error = sys.exception()
    if observation is not None and error is not None:
        observation.fail(error)
