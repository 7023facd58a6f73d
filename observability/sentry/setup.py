"""Starting the Sentry SDK.

The handler in logging.yaml reports failures, and nothing else does: with the SDK's default integrations beside it, one
failure would be two events.
"""

from collections.abc import Mapping
from typing import Any, cast

import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.types import Event, Hint

from observability.records import facts_of, observation_of
from observability.redaction import redact

# Facts that tell apart what has one name: each of their values is an issue of its own.
GROUPED_BY = ("budget.route",)


def start_sentry(*, dsn: str, release: str, environment: str, traces_sample_rate: float) -> None:
    """Report to the project of this DSN from now on; without one nothing is sent, and nothing else changes.

    A traces_sample_rate above 0 adds the SDK's Django integration, which measures every request that it samples.
    """
    if not dsn:
        return
    integrations: list[Integration] = [AtexitIntegration()]
    if traces_sample_rate:
        integrations.append(DjangoIntegration(signals_spans=False))
    sentry_sdk.init(
        dsn=dsn,
        release=release or None,
        environment=environment,
        traces_sample_rate=traces_sample_rate or None,
        default_integrations=False,
        integrations=integrations,
        auto_session_tracking=False,
        include_local_variables=False,
        before_send=complete_event,
    )


def complete_event(event: Event, hint: Hint) -> Event | None:
    """The event with the ids of its observation as tags, its route as the transaction, and without secrets."""
    record = hint.get("log_record")
    if record is not None:
        # The SDK has made text of all values before this: what comes here has to be JSON already.
        facts = facts_of(record)
        event["extra"] = redact(facts)
        apart = [str(facts[name]) for name in GROUPED_BY if name in facts]
        if apart:
            event["fingerprint"] = ["{{ default }}", *apart]
        observation = observation_of(record)
        if observation is not None:
            tags = {"request_id": observation.request_id, "trace_id": observation.trace_id}
            event["tags"] = {**cast("Mapping[str, Any]", event.get("tags") or {}), **tags}
            if observation.http is not None and observation.http.route:
                event["transaction"] = observation.http.route
    return cast("Event", redact(event))
