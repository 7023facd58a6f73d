"""System check: rotation must keep each log line for at least one day."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004

from observability.log_analysis.lines import parse_line
from observability.log_analysis.log_files import LogFileName, list_files
from observability.log_analysis.times import parse_timestamp

MIN_RETENTION = timedelta(days=1)
# The length limit of a log line.
FIRST_LINE_BYTES = 65_536


@register("observability")
def check_retention(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """Warn (W202) if rotation deletes lines that are less than a day old: errors of the night are gone in the morning.

    In development it does not warn, because a load test writes more in a minute than a service does in a day.
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


def estimate_retention(path: Path, *, max_bytes: int, backup_count: int, now: datetime) -> timedelta | None:
    """Return the age at which rotation deletes a line of this log; None before the first rotation.

    With fewer than `backup_count` rotated files, the age is estimated from the bytes written since the first line.
    """
    names = [name for name in list_files(path) if not name.compression]
    rotated = [name for name in names if name.rotation]
    first = _first_time(rotated[-1]) if rotated else None
    if first is None or now <= first:
        return None
    if len(rotated) >= backup_count:
        return now - first
    written = sum(_size(name) for name in names)
    return (now - first) * (max_bytes * (backup_count + 1) / written) if written else None


def _warning(handler: str, path: Path, retention: timedelta) -> CheckMessage:
    minutes = round(retention.total_seconds() / 60)
    text = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004
    return Warning(
        f"At the present rate, rotation deletes the lines of {path} after {text}; the minimum is 1 day.",
        hint=f"Raise maxBytes or backupCount of the handler {handler!r}, or log fewer requests: the filter `sampled`.",
        id="observability.W202",
    )


def _first_time(name: LogFileName) -> datetime | None:
    try:
        with name.path.open("rb") as file:
            record = parse_line(file.readline(FIRST_LINE_BYTES))
    except OSError:
        return None
    return parse_timestamp(record["timestamp"]) if record else None


def _size(name: LogFileName) -> int:
    try:
        return name.path.stat().st_size
    except OSError:
        return 0
