"""The start of the Sentry SDK."""

from pathlib import Path

import sentry_sdk

from observability.sentry.delivery.spool import Spool
from observability.sentry.setup import make_transport, start_sentry
from tests.observability.sentry.delivery.spooling import UNREACHABLE_DSN


def test_events_wait_in_the_configured_spool(tmp_path: Path) -> None:
    start_sentry(dsn=UNREACHABLE_DSN, release="", environment="test", traces_sample_rate=0, spool_dir=str(tmp_path))
    try:
        sentry_sdk.capture_message("import_failed")
        assert len(Spool.for_dsn(tmp_path, UNREACHABLE_DSN).events()) == 1
    finally:
        sentry_sdk.get_client().close(timeout=0)
        sentry_sdk.get_global_scope().set_client(None)


def test_transport_of_the_sdk_is_used_without_a_spool_directory() -> None:
    assert make_transport(UNREACHABLE_DSN, "") is None
