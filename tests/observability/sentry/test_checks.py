"""The system checks of the room."""

import tempfile
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from observability.sentry.checks import can_be_written
from tests.observability.sentry.spooling import AWAY


def warnings() -> list[CheckMessage]:
    return [each for each in run_checks() if each.id == "observability.W301"]


def test_spool_that_cannot_be_made_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.SENTRY_DSN, settings.SENTRY_SPOOL_DIR = AWAY, str(tmp_path / "file" / "spool")
    (warning,) = warnings()
    assert str(tmp_path / "file" / "spool") in warning.msg
    assert warning.hint


@pytest.mark.parametrize(("dsn", "spool_dir"), [("", "/dev/null/spool"), (AWAY, ""), (AWAY, "{tmp_path}/a/b/spool")])
def test_spool_that_is_not_used_or_can_be_made_is_not(
    settings: Settings, tmp_path: Path, dsn: str, spool_dir: str
) -> None:
    settings.SENTRY_DSN, settings.SENTRY_SPOOL_DIR = dsn, spool_dir.format(tmp_path=tmp_path)
    assert warnings() == []
    assert not (tmp_path / "a").exists()


def test_directory_of_somebody_else_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so it is asked what another user is told."""
    monkeypatch.setattr("os.access", lambda *_: False)
    assert not can_be_written(Path(tempfile.gettempdir()))
