"""Trace propagation: outgoing requests to the hosts in OBSERVABILITY["PROPAGATE_TO"] get the ids of the work."""

import re

from observability.conf import configuration
from observability.core.observation import Observation

# An id that is safe in a header. Ids of incoming requests are already checked, but code may set another id.
_id = re.compile(r"[A-Za-z0-9._-]{1,128}")
_host = re.compile(r"(\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE)


def is_host(entry: str) -> bool:
    """Return whether the text is valid in PROPAGATE_TO: `api.example.com:8443`, `.example.com` or `[::1]`."""
    return _host.fullmatch(entry) is not None


def is_propagated_to(host: str) -> bool:
    """Return whether an entry of PROPAGATE_TO matches this host. The host has its port if that is not the default.

    `.example.com` matches all subdomains at any port; `.example.com:8443` matches all subdomains at this port.
    """
    entries = configuration().propagate_to
    if not entries:
        return False
    name = re.sub(r":\d+$", "", host)
    return any(
        host == entry or (entry.startswith(".") and (name.endswith(entry) or host.endswith(entry)))
        for entry in map(str.lower, entries)
    )


def trace_headers(host: str, observation: Observation) -> dict[str, str]:
    """Return `traceparent` (W3C Trace Context, level 1) and `X-Request-ID` for a host in PROPAGATE_TO, otherwise {}.

    A header is left out if its id contains a character that is not allowed: it must not break the request.
    """
    if not is_propagated_to(host):
        return {}
    headers = {
        "traceparent": f"00-{observation.trace_id}-{observation.span_id}-01",
        "X-Request-ID": observation.request_id,
    }
    return {name: value for name, value in headers.items() if _id.fullmatch(value)}


def format_host(host: str, port: int | None, default_port: int | None = None) -> str:
    """Return a host in lower case, without userinfo, with its port if it is not the default port."""
    name = host.rpartition("@")[2].rstrip(".").lower()
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return name if port is None or port == default_port else f"{name}:{port}"
