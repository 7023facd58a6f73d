"""System checks of Sentry reporting."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004

from observability.conf import configuration
from observability.sentry.delivery.spool import Spool
from observability.sentry.reporting import SentryHandler

HANDLER = "observability.sentry.reporting.SentryHandler"
READER = "observability.sentry.reporting.FailureReader"
ACCESS_LINE = "observability.logs.access_log.AccessLogReader"


@register("observability")
def check_spool(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """W301: the spool cannot be written, so events wait in memory only while Sentry cannot be reached."""
    spool_dir = getattr(settings, "SENTRY_SPOOL_DIR", "")
    if (
        not settings.SENTRY_DSN
        or not spool_dir
        or is_writable(Spool.for_dsn(Path(spool_dir), settings.SENTRY_DSN).path)
    ):
        return []
    return [
        Warning(
            f"SENTRY_SPOOL_DIR is {spool_dir!r}, which is not writable: events are lost while Sentry is unreachable.",
            hint="Set it to a directory that the user of the service can write or create.",
            id="observability.W301",
        )
    ]


@register("observability")
def check_reports(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """W302: no handler reports logged failures. W303: failures without a log record are reported too late or never."""
    if not settings.SENTRY_DSN:
        return []
    messages: list[CheckMessage] = []
    if not any(isinstance(handler, SentryHandler) for handler in logging.getLogger().handlers):
        hint = f"Add the handler {HANDLER} at level ERROR to the root logger of LOGGING."
        messages.append(Warning("Logged failures are not reported to Sentry.", hint=hint, id="observability.W302"))
    names = list(configuration().readers)
    if READER not in names or (ACCESS_LINE in names and names.index(ACCESS_LINE) < names.index(READER)):
        hint = f"Add {READER!r} to READERS, before {ACCESS_LINE!r}."
        message = "Failures of streaming bodies, commands and spans are not reported before their access log line."
        messages.append(Warning(message, hint=hint, id="observability.W303"))
    return messages


def is_writable(directory: Path) -> bool:
    """Return whether files can be created in the directory, or the directory itself can be created."""
    try:
        existing = next(each for each in (directory, *directory.absolute().parents) if each.exists())
    except (OSError, StopIteration):
        return False
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
