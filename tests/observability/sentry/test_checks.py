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
from tests.observability.sentry.delivery.spooling import UNREACHABLE_DSN


def warnings() -> list[CheckMessage]:
    return [each for each in run_checks() if each.id == "observability.W301"]


def test_spool_that_cannot_be_created_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o700)
    settings.SENTRY_DSN, settings.SENTRY_SPOOL_DIR = UNREACHABLE_DSN, str(tmp_path / "file" / "spool")
    (warning,) = warnings()
    assert str(tmp_path / "file" / "spool") in warning.msg
    assert warning.hint


@pytest.mark.parametrize(
    ("dsn", "spool_dir"), [("", "/dev/null/spool"), (UNREACHABLE_DSN, ""), (UNREACHABLE_DSN, "{tmp_path}/a/b/spool")]
)
def test_unused_or_creatable_spool_is_allowed(settings: Settings, tmp_path: Path, dsn: str, spool_dir: str) -> None:
    settings.SENTRY_DSN, settings.SENTRY_SPOOL_DIR = dsn, spool_dir.format(tmp_path=tmp_path)
    assert warnings() == []
    assert not (tmp_path / "a").exists()


def test_directory_of_another_user_is_not_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate another user, because root can write everywhere."""
    monkeypatch.setattr("os.access", lambda *_: False)
    assert not is_writable(Path(tempfile.gettempdir()))


@pytest.fixture
def root_sentry_handler() -> Iterator[None]:
    """Add a SentryHandler to the root logger, as logging.yaml does outside of the tests."""
    handler = SentryHandler()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)


def test_dsn_without_sentry_handler_is_a_warning(settings: Settings) -> None:
    assert check_reports(None) == []
    settings.SENTRY_DSN = UNREACHABLE_DSN
    assert [each.id for each in check_reports(None)] == ["observability.W302"]


@pytest.mark.usefixtures("root_sentry_handler")
def test_missing_or_late_failure_reader_is_a_warning(settings: Settings) -> None:
    settings.SENTRY_DSN = UNREACHABLE_DSN
    assert check_reports(None) == []
    readers = settings.OBSERVABILITY["READERS"]
    for length in (0, len(readers)):
        settings.OBSERVABILITY = settings.OBSERVABILITY | {"READERS": readers[::-1][:length]}
        assert [each.id for each in check_reports(None)] == ["observability.W303"]
