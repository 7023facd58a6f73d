"""The system checks of `observability.sentry`."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from observability.sentry.checks import check_reports, is_writable
from observability.sentry.reporting import SentryHandler
from tests.observability.sentry.delivery.spooling import AWAY


def warnings() -> list[CheckMessage]:
    return [each for each in run_checks() if each.id == "observability.W301"]


def test_spool_that_cannot_be_made_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o700)
    settings.SENTRY_DSN, settings.SENTRY_SPOOL_DIR = AWAY, str(tmp_path / "file" / "spool")
    (warning,) = warnings()
    assert str(tmp_path / "file" / "spool") in warning.msg
    assert warning.hint


@pytest.mark.parametrize(("dsn", "spool_dir"), [("", "/dev/null/spool"), (AWAY, ""), (AWAY, "{tmp_path}/a/b/spool")])
def test_spool_that_is_not_used_or_can_be_created_is_not_a_warning(
    settings: Settings, tmp_path: Path, dsn: str, spool_dir: str
) -> None:
    settings.SENTRY_DSN, settings.SENTRY_SPOOL_DIR = dsn, spool_dir.format(tmp_path=tmp_path)
    assert warnings() == []
    assert not (tmp_path / "a").exists()


def test_directory_of_somebody_else_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere: the answer is that of another user."""
    monkeypatch.setattr("os.access", lambda *_: False)
    assert not is_writable(Path(tempfile.gettempdir()))


@pytest.fixture
def handled() -> Iterator[None]:
    """A handler that reports, as logging.yaml has it outside of the tests."""
    handler = SentryHandler()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)


def test_dsn_without_a_handler_that_reports_is_a_warning(settings: Settings) -> None:
    assert check_reports(None) == []
    settings.SENTRY_DSN = AWAY
    assert [each.id for each in check_reports(None)] == ["observability.W302"]


@pytest.mark.usefixtures("handled")
def test_reader_that_is_absent_or_too_late_is_a_warning(settings: Settings) -> None:
    settings.SENTRY_DSN = AWAY
    assert check_reports(None) == []
    readers = settings.OBSERVABILITY["READERS"]
    for length in (0, len(readers)):
        settings.OBSERVABILITY = settings.OBSERVABILITY | {"READERS": readers[::-1][:length]}
        assert [each.id for each in check_reports(None)] == ["observability.W303"]
