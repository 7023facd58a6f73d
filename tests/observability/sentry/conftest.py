"""Fixtures: reported events, spools, and servers that accept events."""

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
from tests.observability.sentry.delivery.spooling import QUICK, UNREACHABLE_DSN
from tests.sentry_sink import Sink, sentry_sink
from tests.server import DEADLINE_S, ROOT

TransportFactory = Callable[..., SpoolTransport]


class EventListHandler(logging.Handler):
    """A handler that collects the events that are logged instead of sent."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(json.loads(record.getMessage()))


@pytest.fixture
def events(tmp_path: Path, restored_logging: None) -> Iterator[list[dict[str, Any]]]:
    """The events that are reported with the logging of production."""
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
    """The spool of an unreachable server."""
    return Spool.for_dsn(tmp_path / "spool", UNREACHABLE_DSN)


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A server that accepts events, for one test."""
    with sentry_sink() as sink:
        yield sink


@pytest.fixture(scope="session")
def shared_sink() -> Iterator[Sink]:
    """A server that accepts events, for server processes that several tests share."""
    with sentry_sink() as sink:
        yield sink


@pytest.fixture
def stopped_bugsink(bugsink: Project) -> Iterator[Bugsink]:
    """The shared Bugsink, stopped for the test and started again afterwards."""
    bugsink.server.stop()
    try:
        yield bugsink.server
    finally:
        if bugsink.server.process is None:
            bugsink.server.start()


@pytest.fixture
def transport_to(tmp_path: Path) -> Iterator[TransportFactory]:
    """Return a function that creates a transport for a DSN. The transport is stopped after the test.

    Its read timeout is long by default: if a late answer caused a retry, the event would arrive twice.
    """
    created: list[SpoolTransport] = []

    def make(dsn: str, **options: Any) -> SpoolTransport:  # noqa: ANN401 - the options of the transport
        defaults: dict[str, Any] = {"backoff": QUICK, "read_timeout_s": DEADLINE_S}
        created.append(SpoolTransport(dsn, tmp_path / "spool", **defaults | options))
        return created[-1]

    yield make
    for each in created:
        each.kill()
