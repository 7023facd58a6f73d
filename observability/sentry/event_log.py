"""Events without a server: the same ones, as lines of a log file."""

import json
import logging

from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

log = logging.getLogger("observability.events")


class EventLog(Transport):
    """Logs each event as one line of JSON, by the logger `observability.events`: logging.yaml says where to."""

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            log.info(json.dumps(event, ensure_ascii=False, default=str))
