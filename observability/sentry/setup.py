"""Starting the Sentry SDK.

With a sample rate of 0 nothing of the SDK runs in a request that succeeds: the handler in logging.yaml and the reader
`Failures` report what went wrong, from what the observation knows. Above 0 the SDK's integration measures requests.
The SDK's own integration for logging is never used: beside the handler one failure would be two events.
"""

import sys
from pathlib import Path
from typing import Any

import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.atexit import AtexitIntegration

from observability.conf import configuration
from observability.sentry.delivery.transport import SpoolTransport
from observability.sentry.event import complete_event, complete_transaction
from observability.sentry.event_log import EventLog


def start_sentry(
    *,
    dsn: str,
    release: str,
    environment: str,
    traces_sample_rate: float,
    with_locals: bool = False,
    spool_dir: str = "",
) -> None:
    """Report to the project of this DSN from now on; without one events go to the logger `observability.events`.

    A traces_sample_rate above 0 adds the SDK's Django integration, which measures every request that it samples. With
    `with_locals` events have the local variables of the frames: what redaction does not know leaves with them.
    In `spool_dir` events wait for a server that is away; without it, as on Windows, the SDK sends them or loses them.
    """
    integrations: list[Integration] = [AtexitIntegration(callback=lambda *_: None)]
    sampling: dict[str, Any] = {}
    if traces_sample_rate and dsn:
        from observability.sentry.tracing import TracingIntegration, sampler  # noqa: PLC0415 - it loads the SDK's Django parts

        integrations.append(TracingIntegration(signals_spans=False))
        sampling = {"traces_sampler": sampler(traces_sample_rate), "before_send_transaction": complete_transaction}
    sentry_sdk.init(
        dsn=dsn or None,
        transport=spooling(dsn, spool_dir) if dsn else EventLog(),
        release=release or None,
        environment=environment,
        default_integrations=False,
        integrations=integrations,
        auto_session_tracking=False,
        include_local_variables=with_locals,
        project_root=configuration().code_root or None,
        # This layer stands on every stack between the project and the database, and is at fault seldom.
        in_app_exclude=["observability"],
        include_source_context=True,
        before_send=complete_event,
        **sampling,
    )


def spooling(dsn: str, spool_dir: str) -> SpoolTransport | None:
    """The transport that loses nothing, or None for the SDK's own."""
    # A spool needs flock, and files that are opened in an open directory.
    return SpoolTransport(dsn, Path(spool_dir)) if spool_dir and sys.platform != "win32" else None
