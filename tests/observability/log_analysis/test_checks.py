"""The system check that rotation keeps log lines for one day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings


def warnings() -> list[str]:
    """Return the messages of the warnings W202."""
    found = run_checks(tags=["observability"])
    return [message.msg for message in found if message.id == "observability.W202"]


def write_rotated_files(
    directory: Path, *, hours_ago: float, rotated: int, size: int = 1_000
) -> dict[str, dict[str, object]]:
    """Create rotated files whose first line has this age, and return LOGGING with their handler."""
    first = datetime.now(UTC) - timedelta(hours=hours_ago)
    line = f'{{"timestamp": "{first:%Y-%m-%dT%H:%M:%S.%fZ}", "event": "first"}}'
    for number in range(1, rotated + 1):
        (directory / f"service.jsonl.{number}").write_text(f"{line:<{size - 1}}\n")
    (directory / "service.jsonl").write_text("")
    handler = {"filename": str(directory / "service.jsonl"), "maxBytes": size, "backupCount": 3}
    return {"handlers": {"service": handler}}


@pytest.mark.parametrize(
    ("hours_ago", "rotated", "retention"),
    [(5.5, 3, "5 h 30 min"), (0.5, 3, "30 min"), (3, 1, "12 h 0 min"), (25, 3, None), (7, 1, None), (1, 0, None)],
)
def test_warns_if_rotation_keeps_less_than_a_day(
    settings: Settings, tmp_path: Path, hours_ago: float, rotated: int, retention: str | None
) -> None:
    settings.DEBUG = False
    settings.LOGGING = write_rotated_files(tmp_path, hours_ago=hours_ago, rotated=rotated)
    warning = f"At the present rate, rotation deletes the lines of {tmp_path}/service.jsonl after {retention}"
    assert [text.partition(";")[0] for text in warnings()] == ([] if retention is None else [warning])


def test_does_not_warn_in_development(settings: Settings, tmp_path: Path) -> None:
    settings.DEBUG = True
    settings.LOGGING = write_rotated_files(tmp_path, hours_ago=1, rotated=3)
    assert warnings() == []
