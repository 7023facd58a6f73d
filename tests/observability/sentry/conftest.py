"""Events as a production would report them, spools, and servers that accept events."""

import json
import logging.config
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk

from observability.logs.config import load_logging
from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.transport import SpoolTransport
from observability.sentry.setup import start_sentry
from tests.bugsink import Bugsink, Project
from tests.observability.sentry.delivery.spooling import AWAY, QUICK
from tests.sentry_sink import Sink, sentry_sink
from tests.server import DEADLINE_S, ROOT

Make = Callable[..., SpoolTransport]


class EventListHandler(logging.Handler):
    """Collect the events that are logged instead of sent."""

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
    handler = EventListHandler()
    logging.getLogger("observability.events").addHandler(handler)
    start_sentry(dsn="", release="r1", environment="test", traces_sample_rate=0)
    yield handler.events
    logging.getLogger("observability.events").removeHandler(handler)
    sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool of a server that cannot be reached."""
    return Spool.for_dsn(tmp_path / "spool", AWAY)


@pytest.fixture
def listening() -> Iterator[Sink]:
    """A server that accepts events, for one test."""
    with sentry_sink() as sink:
        yield sink


@pytest.fixture(scope="session")
def shared_sink() -> Iterator[Sink]:
    """A server that accepts events, for the servers that tests share."""
    with sentry_sink() as sink:
        yield sink


@pytest.fixture
def stopped_bugsink(bugsink: Project) -> Iterator[Bugsink]:
    """The shared Bugsink, stopped; it runs again after the test."""
    bugsink.server.stop()
    try:
        yield bugsink.server
    finally:
        if bugsink.server.process is None:
            bugsink.server.start()


@pytest.fixture
def transport_to(tmp_path: Path) -> Iterator[Make]:
    """Make the transport to a DSN; it ends with the test.

    It waits long for an answer by default: an event that is sent again after a late answer arrives twice.
    """
    made: list[SpoolTransport] = []

    def make(dsn: str, **options: Any) -> SpoolTransport:  # noqa: ANN401 - those of the transport
        defaults: dict[str, Any] = {"backoff": QUICK, "read_timeout_s": DEADLINE_S}
        made.append(SpoolTransport(dsn, tmp_path / "spool", **defaults | options))
        return made[-1]

    yield make
    for each in made:
        each.kill()
