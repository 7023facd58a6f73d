"""Starting the Sentry SDK."""

from pathlib import Path

import sentry_sdk

from observability.sentry.delivery.spool import Spool
from observability.sentry.setup import make_transport, start_sentry
from tests.observability.sentry.delivery.spooling import AWAY


def test_events_wait_in_the_spool_that_is_named(tmp_path: Path) -> None:
    start_sentry(dsn=AWAY, release="", environment="test", traces_sample_rate=0, spool_dir=str(tmp_path))
    try:
        sentry_sdk.capture_message("import_failed")
        assert len(Spool.for_dsn(tmp_path, AWAY).events()) == 1
    finally:
        sentry_sdk.get_client().close(timeout=0)
        sentry_sdk.get_global_scope().set_client(None)


def test_without_a_directory_the_sdk_sends_by_itself() -> None:
    assert make_transport(AWAY, "") is None
