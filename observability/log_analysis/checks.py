"""System check: rotation must not delete lines that are less than a day old."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004

from observability.log_analysis.retention import estimate_retention

MIN_RETENTION = timedelta(days=1)


@register("observability")
def check_retention(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """W202: rotation deletes lines of the last day, so a failure of the night is gone in the morning.

    Not in development, where a load test writes more in a minute than a service does in a day.
    """
    if settings.DEBUG:
        return []
    warnings: list[CheckMessage] = []
    handlers: dict[str, dict[str, Any]] = settings.LOGGING.get("handlers", {})
    for name, handler in handlers.items():
        if handler.get("filename") and handler.get("maxBytes") and handler.get("backupCount"):
            path = Path(handler["filename"])
            retention = estimate_retention(
                path, max_bytes=handler["maxBytes"], backup_count=handler["backupCount"], now=datetime.now(UTC)
            )
            if retention is not None and retention < MIN_RETENTION:
                warnings.append(_warning(name, path, retention))
    return warnings


def _warning(handler: str, path: Path, retention: timedelta) -> CheckMessage:
    minutes = round(retention.total_seconds() / 60)
    text = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004
    return Warning(
        f"{path} keeps its lines for {text} at the present rate: rotation deletes lines of the same day.",
        hint=f"Raise maxBytes or backupCount of the handler {handler!r}, or write fewer lines: the filter `sampled`.",
        id="observability.W202",
    )
