"""System checks of the room."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004

from observability.sentry.spool import Spool


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


def can_be_written(directory: Path) -> bool:
    """Whether files can be made in the directory, or in one that does not exist yet."""
    try:
        existing = next(each for each in (directory, *directory.absolute().parents) if each.exists())
    except (OSError, StopIteration):
        return False
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
