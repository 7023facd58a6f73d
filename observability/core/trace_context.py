"""W3C Trace Context: the ids of the trace that an incoming request continues."""

import re
from typing import NamedTuple, Self

_traceparent = re.compile(r"[0-9a-f]{2}-(?P<trace_id>[0-9a-f]{32})-(?P<span_id>[0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


class TraceParent(NamedTuple):
    """The ids of a `traceparent` header (W3C Trace Context, level 1): 32 and 16 hexadecimal digits."""

    trace_id: str
    span_id: str

    @classmethod
    def parse(cls, header: str) -> Self | None:
        """Return the ids, or None if the header is malformed or an id has only zeros."""
        match = _traceparent.fullmatch(header.strip())
        if not match or header.startswith("ff") or set(match["trace_id"]) == {"0"} or set(match["span_id"]) == {"0"}:
            return None
        return cls(match["trace_id"], match["span_id"])
