"""The app that observes: it installs the recorders and the readers."""

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
from observability.conf import configuration, wrong_values
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
    """Make the readers that OBSERVABILITY["READERS"] names; ImproperlyConfigured says which cannot be imported."""
    readers_named = configuration().readers
    if wrong_values({"READERS": readers_named}):
        raise ImproperlyConfigured(f"OBSERVABILITY['READERS'] is {readers_named!r}: it is a list of dotted names.")
    made = [_reader_class(path)() for path in readers_named]
    readers.install(made, raise_errors=configuration().raise_reader_errors)


def _reader_class(path: str) -> Callable[[], object]:
    try:
        reader: Callable[[], object] = import_string(path)
    except ImportError as error:
        message = f"OBSERVABILITY['READERS'] names {path!r}, which cannot be imported: {error}."
        raise ImproperlyConfigured(message) from error
    return reader


@receiver(setting_changed, dispatch_uid="observability.apps")
def reload_configuration(*, setting: str, **_: object) -> None:
    """Follow `override_settings(OBSERVABILITY=…)` in tests."""
    if setting == "OBSERVABILITY":
        configuration.cache_clear()
        redaction.forget_keys()
        install_readers()


@receiver(got_request_exception, dispatch_uid="observability.apps")
def remember_exception(*, request: HttpRequest | None = None, **_: Any) -> None:  # noqa: ANN401
    """Remember an exception that Django turns into a response of status 500 before the middleware sees it."""
    observation = getattr(request, "observation", None)
    error = sys.exception()
    if observation is not None and error is not None:
        observation.fail(error)
