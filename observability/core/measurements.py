"""Measurements: the only place that converts an Observation to keys and values.

The access log, Sentry and the profiler use these keys. Only the Server-Timing header reads the Observation directly.
To add a number, set it in a recorder (`observation.measurements["db.row_count"] = 7`), add its key to RECORDED_KEYS and
to docs/reference/log-keys.md. Use the key of OpenTelemetry's semantic conventions if one exists.
"""

from collections.abc import Mapping
from typing import Any

from observability.core.http_attributes import HttpAttributes
from observability.core.observation import Observation

MILLISECOND_DIGITS = 3

Measurements = dict[str, Any]

# Keys that recorders set in `observation.measurements`. If a number was not set, its key is left out.
RECORDED_KEYS: tuple[str, ...] = ("http.request.body.size",)
# Prefixes of the keys that only requests have.
REQUEST_PREFIXES = ("http.", "url.", "client.", "user.", "user_agent.")
# Prefixes of the keys that `summarize_request` replaces.
SUMMARIZED_PREFIXES = (*REQUEST_PREFIXES, "db.", "outgoing.", "duration_ms")

_not_a_request = HttpAttributes("", "")


def to_dict(observation: Observation) -> Measurements:
    """Return all current keys of an observation, followed by those of its extensions."""
    keys = _own_keys(observation)
    # Iterate over a copy: other threads may add extensions at the same time.
    for extension in tuple(observation.extensions.values()):
        to_measurements = getattr(extension, "to_measurements", None)
        if to_measurements is not None:
            keys |= to_measurements()
    return keys


def to_log_keys(observation: Observation) -> Measurements:
    """Return the keys of the observation's log line. Extensions add keys only if they report something unusual."""
    keys = _own_keys(observation)
    keys |= unusual_keys(observation)
    return keys


def unusual_keys(observation: Observation) -> Measurements:
    """Return the keys of extensions that report something unusual, such as a request over its query budget."""
    keys: Measurements = {}
    if not observation.extensions:
        return keys
    # Iterate over a copy: other threads may add extensions at the same time.
    for extension in tuple(observation.extensions.values()):
        if getattr(extension, "is_logged", False):
            keys |= extension.to_measurements()
    return keys


def work_keys(observation: Observation) -> Measurements:
    """Return the keys that every kind of observation has, and the numbers that recorders set."""
    keys = {key: value for key, value in _request_keys(observation).items() if not key.startswith(REQUEST_PREFIXES)}
    return keys | _recorded_keys(observation)


def _own_keys(observation: Observation) -> Measurements:
    if observation.http is not None:
        keys = _request_keys(observation)
        return keys | _recorded_keys(observation) if observation.measurements else keys
    return {f"{observation.kind}.name": observation.name} | work_keys(observation)


def _request_keys(observation: Observation) -> Measurements:
    # Always build one dictionary, even if only a part is used: merging two costs each access log line 50% more.
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
    """Return a short event and short keys for a person to read, from the keys of an access log line.

    Keys that `note()` added are unchanged.
    """
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
