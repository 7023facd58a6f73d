"""Send one event the way the service does, and return the server's answer: `manage.py sentry test`."""

import logging
import time
from dataclasses import dataclass

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from observability.core.context import activate, observe
from observability.sentry.delivery.server import Answer, Server
from observability.sentry.reporting import ReportedEvent

SELF_TEST_EVENT = "sentry_self_test"

log = logging.getLogger("observability.sentry")


@dataclass(frozen=True, slots=True)
class SelfTestResult:
    """The event's id, the server's answer, and how long it took. The id is None if nothing reported the error."""

    event_id: str | None
    answer: Answer | None
    duration_ms: float


def run_self_test(dsn: str) -> SelfTestResult:
    """Log an error as the service does, and send its event without the spool, to get the answer."""
    client = sentry_sdk.get_client()
    transport, direct = client.transport, _DirectTransport(Server(dsn))
    client.transport = direct
    try:
        with observe("sentry test") as observation:
            log.error(SELF_TEST_EVENT, extra={"facts": {"sent_by": "manage.py sentry test"}})
    finally:
        client.transport = transport
    return SelfTestResult(ReportedEvent.find_id(observation), direct.answer, direct.duration_ms)


class _DirectTransport(Transport):
    """Send at once, and wait for the answer."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server
        self.answer: Answer | None = None
        self.duration_ms = 0.0

    def capture_envelope(self, envelope: Envelope) -> None:
        started = time.perf_counter()
        # The request to the server is not part of the work that is reported.
        with activate(None):
            self.answer = self.server.post(envelope.serialize())
        self.duration_ms = (time.perf_counter() - started) * 1000
