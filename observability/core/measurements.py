"""The projection of the record: the one place that turns an Observation into its keys.

The access log, Sentry and the profiler read these keys. Server-Timing reads the record itself. To add a number,
let a recorder set it: `observation.measurements["db.row_count"] = 7`. Then add its key to RECORDED_KEYS, and a
row to `docs/reference/log-keys.md`. Keys are those of OpenTelemetry's semantic conventions, if there is one.
"""

from collections.abc import Mapping
from typing import Any

from observability.core.http_attributes import HttpAttributes
from observability.core.observation import Observation

MILLISECOND_DIGITS = 3

Measurements = dict[str, Any]

# Keys that a recorder sets in `observation.measurements`; an observation without the number does not have the key.
RECORDED_KEYS: tuple[str, ...] = ("http.request.body.size",)
# The keys that only a request has start with these.
REQUEST_PREFIXES = ("http.", "url.", "client.", "user.", "user_agent.")
# The keys of an access log line that `summarize_request` replaces.
SUMMARIZED_PREFIXES = (*REQUEST_PREFIXES, "db.", "outgoing.", "duration_ms")

_not_a_request = HttpAttributes("", "")


def to_dict(observation: Observation) -> Measurements:
    """Return all keys of an observation, as they are now; those of extensions follow."""
    keys = _own_keys(observation)
    # A copy: threads may add extensions meanwhile.
    for extension in tuple(observation.extensions.values()):
        to_measurements = getattr(extension, "to_measurements", None)
        if to_measurements is not None:
            keys |= to_measurements()
    return keys


def to_log_keys(observation: Observation) -> Measurements:
    """Return the keys of the observation's log line: without those of extensions that report nothing unusual."""
    keys = _own_keys(observation)
    keys |= unusual_keys(observation)
    return keys


def unusual_keys(observation: Observation) -> Measurements:
    """Return the keys of extensions that report something unusual, such as a request over its query budget."""
    keys: Measurements = {}
    if not observation.extensions:
        return keys
    # A copy: threads may add extensions meanwhile.
    for extension in tuple(observation.extensions.values()):
        if getattr(extension, "is_logged", False):
            keys |= extension.to_measurements()
    return keys


def work_keys(observation: Observation) -> Measurements:
    """Return the keys that every kind of work has, and the numbers that recorders set."""
    keys = {key: value for key, value in _request_keys(observation).items() if not key.startswith(REQUEST_PREFIXES)}
    return keys | _recorded_keys(observation)


def _own_keys(observation: Observation) -> Measurements:
    if observation.http is not None:
        keys = _request_keys(observation)
        return keys | _recorded_keys(observation) if observation.measurements else keys
    return {f"{observation.kind}.name": observation.name} | work_keys(observation)


def _request_keys(observation: Observation) -> Measurements:
    # One dictionary, also if only a part is used: merging two would cost each access line half of it again.
    http = observation.http or _not_a_request
    return {
        "http.request.method": http.method,
        "http.route": http.route,
        "url.path": http.path,
        "http.response.status_code": http.status_code,
        "duration_ms": round(observation.duration_ms, MILLISECOND_DIGITS),
        "db.query_count": observation.query_count,
        "db.duration_ms": round(observation.query_duration_ms, MILLISECOND_DIGITS),
        "db.repeated_count": observation.repeated_count,
        "db.transaction": observation.transaction,
        "outgoing.count": observation.outgoing_count,
        "outgoing.duration_ms": round(observation.outgoing_duration_ms, MILLISECOND_DIGITS),
        "client.address": http.client_address,
        "user_agent.original": http.user_agent,
        "user.id": http.user_id,
        "http.response.body.size": http.response_body_size,
    }


def _recorded_keys(observation: Observation) -> Measurements:
    recorded = observation.measurements
    return {key: recorded[key] for key in RECORDED_KEYS if key in recorded}


def summarize_request(keys: Mapping[str, Any]) -> tuple[str, Measurements]:
    """Return the event and the keys that a person reads, from those of an access log line. Notes stay unchanged."""
    event = f"{keys.get('http.request.method')} {keys.get('url.path')} {keys.get('http.response.status_code')}"
    repeated = keys.get("db.repeated_count")
    summary = {
        "ms": _rounded(keys.get("duration_ms")),
        "queries": keys.get("db.query_count"),
        "db_ms": _rounded(keys.get("db.duration_ms")),
        "repeated": repeated if isinstance(repeated, int) and repeated > 1 else None,
        "outgoing": keys.get("outgoing.count") or None,
        "outgoing_ms": _rounded(keys.get("outgoing.duration_ms")) or None,
        "transaction": keys.get("db.transaction"),
        "user": keys.get("user.id"),
    }
    notes = {key: value for key, value in keys.items() if not key.startswith(SUMMARIZED_PREFIXES)}
    return event, {key: value for key, value in (summary | notes).items() if value not in (None, "none")}


def _rounded(value: object) -> object:
    return round(value, 1) if isinstance(value, int | float) else value
