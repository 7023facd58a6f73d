"""One event on the real way to the server, and what the server said."""

import logging
import time
from dataclasses import dataclass

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from observability.core.context import activate, observe
from observability.sentry.delivery.server import Answer, Server
from observability.sentry.failure import ReportedEvent

TRIED = "sentry_tried"

log = logging.getLogger("observability.sentry")


@dataclass(frozen=True, slots=True)
class Trial:
    """The event's id, the server's answer, and how long that took; no id where nothing reported the error."""

    event_id: str | None
    answer: Answer | None
    duration_ms: float


class _Posting(Transport):
    """Sends at once, and waits for the answer."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server
        self.answer: Answer | None = None
        self.duration_ms = 0.0

    def capture_envelope(self, envelope: Envelope) -> None:
        started = time.perf_counter()
        # The call to the server is none of the work that is reported.
        with activate(None):
            self.answer = self.server.post(envelope.serialize())
        self.duration_ms = (time.perf_counter() - started) * 1000


def send_trial(dsn: str) -> Trial:
    """Log an error as the service does, and send its event past the spool, to have an answer."""
    client = sentry_sdk.get_client()
    transport, client.transport = client.transport, _Posting(Server(dsn))
    posting = client.transport
    try:
        with observe("sentry test") as observation:
            log.error(TRIED, extra={"facts": {"sent_by": "manage.py sentry test"}})
    finally:
        client.transport = transport
    return Trial(ReportedEvent.find_id(observation), posting.answer, posting.duration_ms)
