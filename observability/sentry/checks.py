"""System checks of the room."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004

from observability.conf import configuration
from observability.sentry.delivery.spool import Spool
from observability.sentry.handler import FailureHandler

READER = "observability.sentry.reader.Failures"
ACCESS_LINE = "observability.logs.access_log.AccessLogReader"


@register("observability")
def check_spool(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """W301: the spool cannot be written, so that events are in memory alone while Sentry is away."""
    spool_dir = getattr(settings, "SENTRY_SPOOL_DIR", "")
    if not settings.SENTRY_DSN or not spool_dir or can_be_written(Spool.of(Path(spool_dir), settings.SENTRY_DSN).path):
        return []
    return [
        Warning(
            f"SENTRY_SPOOL_DIR is {spool_dir!r}, which cannot be written: failures are lost while Sentry is away.",
            hint="Name a directory that the user of the service can write or make.",
            id="observability.W301",
        )
    ]


@register("observability")
def check_reports(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """W302: no handler reports what is logged; W303: what leaves no record is reported too late, or not at all."""
    if not settings.SENTRY_DSN:
        return []
    found: list[CheckMessage] = []
    if not any(isinstance(handler, FailureHandler) for handler in logging.getLogger().handlers):
        hint = (
            "Add the handler observability.sentry.handler.FailureHandler at level ERROR to the root logger of LOGGING."
        )
        found.append(
            Warning("Failures that are logged are not reported to Sentry.", hint=hint, id="observability.W302")
        )
    names = list(configuration().readers)
    if READER not in names or (ACCESS_LINE in names and names.index(ACCESS_LINE) < names.index(READER)):
        hint = f"Put {READER!r} into READERS, before {ACCESS_LINE!r}."
        message = "Failures of bodies, commands and blocks of work are not reported before their line is written."
        found.append(Warning(message, hint=hint, id="observability.W303"))
    return found


def can_be_written(directory: Path) -> bool:
    """Whether files can be made in the directory, or in one that does not exist yet."""
    try:
        existing = next(each for each in (directory, *directory.absolute().parents) if each.exists())
    except (OSError, StopIteration):
        return False
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
