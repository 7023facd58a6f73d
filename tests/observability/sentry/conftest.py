"""What would be sent to Sentry, in the process of the tests."""

import json
import logging.config
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk

from observability.logs.config import load_logging
from observability.sentry.setup import start_sentry
from tests.server import ROOT


class Keeping(logging.Handler):
    """Keeps the events that are logged instead of sent."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(json.loads(record.getMessage()))


@pytest.fixture
def events(tmp_path: Path, restored_logging: None) -> Iterator[list[dict[str, Any]]]:
    """The events that a production would report, with its logging."""
    variables = {"LOG_DIR": str(tmp_path), "SERVICE_NAME": "vitrine"}
    logging.config.dictConfig(load_logging(ROOT / "logging.yaml", ["production"], variables))
    kept = Keeping()
    logging.getLogger("observability.events").addHandler(kept)
    start_sentry(dsn="", release="r1", environment="test", traces_sample_rate=0)
    yield kept.events
    logging.getLogger("observability.events").removeHandler(kept)
    sentry_sdk.get_global_scope().set_client(None)
