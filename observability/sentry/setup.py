"""Start the Sentry SDK.

With a sample rate of 0, nothing of the SDK runs in a request that succeeds: `SentryHandler` and `FailureReader` report
failures, with what the observation knows. Above 0, the SDK's Django integration measures requests (`tracing.py`).
The SDK's own integration for logging is never used: beside the handler, it would report each failure twice.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.transport import Transport

from observability.conf import configuration
from observability.sentry.delivery.transport import SpoolTransport
from observability.sentry.event import complete_event, complete_transaction

events_log = logging.getLogger("observability.events")


def start_sentry(
    *,
    dsn: str,
    release: str,
    environment: str,
    traces_sample_rate: float,
    with_locals: bool = False,
    spool_dir: str = "",
) -> None:
    """Report failures to the project of this DSN from now on. Without a DSN, events go to `observability.events`.

    A `traces_sample_rate` above 0 adds the SDK's Django integration, which measures every request that it samples.
    `with_locals` adds the local variables of the frames, with the secrets in them that redaction does not know.
    In `spool_dir` events wait for the server. If it is empty, and on Windows, the SDK sends them or loses them.
    """
    integrations: list[Integration] = [AtexitIntegration(callback=lambda *_: None)]
    sampling: dict[str, Any] = {}
    if traces_sample_rate and dsn:
        from observability.sentry.tracing import TracingIntegration, make_sampler  # noqa: PLC0415 - it loads the SDK's Django parts

        integrations.append(TracingIntegration(signals_spans=False))
        sampling = {"traces_sampler": make_sampler(traces_sample_rate), "before_send_transaction": complete_transaction}
    sentry_sdk.init(
        dsn=dsn or None,
        transport=make_transport(dsn, spool_dir) if dsn else LogTransport(),
        release=release or None,
        environment=environment,
        default_integrations=False,
        integrations=integrations,
        auto_session_tracking=False,
        include_local_variables=with_locals,
        project_root=configuration().code_root or None,
        # This layer is on every stack between the project and the database, and is rarely the cause.
        in_app_exclude=["observability"],
        include_source_context=True,
        before_send=complete_event,
        **sampling,
    )


def make_transport(dsn: str, spool_dir: str) -> SpoolTransport | None:
    """Return the transport with a spool, or None for the SDK's own."""
    # A spool needs `flock`, and files that are opened relative to an open directory.
    return SpoolTransport(dsn, Path(spool_dir)) if spool_dir and sys.platform != "win32" else None


class LogTransport(Transport):
    """Log each event as one line of JSON to the logger `observability.events`; logging.yaml names its file."""

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            events_log.info(json.dumps(event, ensure_ascii=False, default=str))
