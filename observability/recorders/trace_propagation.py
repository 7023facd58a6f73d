"""Which services learn the ids of the work that calls them: those that OBSERVABILITY["PROPAGATE_TO"] names."""

import re

from observability.conf import configuration
from observability.core.observation import Observation

# What the header of an id may hold: those of callers are held to it already, those of code are not.
_id = re.compile(r"[A-Za-z0-9._-]{1,128}")
_host = re.compile(r"(\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE)


def is_host(entry: str) -> bool:
    """Whether it can stand in PROPAGATE_TO: `api.example.com`, `api.example.com:8443`, `.example.com`, `[::1]:8000`."""
    return _host.fullmatch(entry) is not None


def is_propagated_to(host: str) -> bool:
    """Whether PROPAGATE_TO names this host, which has its port where that is not its scheme's.

    `.example.com` is every name below it at any port, `.example.com:8443` every name below it at this one.
    """
    named = configuration().propagate_to
    if not named:
        return False
    name = re.sub(r":\d+$", "", host)
    return any(
        host == entry or (entry.startswith(".") and (name.endswith(entry) or host.endswith(entry)))
        for entry in map(str.lower, named)
    )


def trace_headers(host: str, observation: Observation) -> dict[str, str]:
    """`traceparent` (W3C Trace Context, level 1) and `X-Request-ID` for a call to this host, where it is named.

    An id that no header can hold is left out: it must not break the call.
    """
    if not is_propagated_to(host):
        return {}
    headers = {
        "traceparent": f"00-{observation.trace_id}-{observation.span_id}-01",
        "X-Request-ID": observation.request_id,
    }
    return {name: value for name, value in headers.items() if _id.fullmatch(value)}
