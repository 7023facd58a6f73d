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
ACCESS_LOG = "observability.logs.access_log.AccessLogReader"


@register("observability")
def check_spool(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """W301: the spool cannot be written. While Sentry is unreachable, events wait only in the memory of the process."""
    spool_dir = getattr(settings, "SENTRY_SPOOL_DIR", "")
    if (
        not settings.SENTRY_DSN
        or not spool_dir
        or is_writable(Spool.for_dsn(Path(spool_dir), settings.SENTRY_DSN).path)
    ):
        return []
    return [
        Warning(
            f"SENTRY_SPOOL_DIR is {spool_dir!r}, which is not writable: while Sentry is unreachable, events are only "
            "in memory.",
            hint="Set it to a directory that the user of the service can create or write to.",
            id="observability.W301",
        )
    ]


@register("observability")
def check_reports(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """W302: no handler reports logged failures. W303: FailureReader is missing, or after AccessLogReader."""
    if not settings.SENTRY_DSN:
        return []
    messages: list[CheckMessage] = []
    if not any(isinstance(handler, SentryHandler) for handler in logging.getLogger().handlers):
        message = "The root logger of LOGGING has no SentryHandler: logged failures are not reported to Sentry."
        hint = f"Add the handler {HANDLER} at level ERROR to the root logger of LOGGING."
        messages.append(Warning(message, hint=hint, id="observability.W302"))
    names = list(configuration().readers)
    hint = f"Put {READER!r} into READERS, before {ACCESS_LOG!r}."
    if READER not in names:
        message = (
            "READERS does not contain FailureReader: exceptions of streaming bodies, commands and spans are not "
            "reported to Sentry if they are not logged."
        )
        messages.append(Warning(message, hint=hint, id="observability.W303"))
    elif ACCESS_LOG in names and names.index(ACCESS_LOG) < names.index(READER):
        message = (
            "READERS lists FailureReader after AccessLogReader: log lines of failures may have no sentry.event_id."
        )
        messages.append(Warning(message, hint=hint, id="observability.W303"))
    return messages


def is_writable(directory: Path) -> bool:
    """Return whether this process can create files in the directory, or create the directory."""
    try:
        existing = next(each for each in (directory, *directory.absolute().parents) if each.exists())
    except (OSError, StopIteration):
        return False
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
