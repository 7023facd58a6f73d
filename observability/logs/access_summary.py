"""An access line as a person reads it in a terminal."""

from collections.abc import Mapping
from typing import Any


def access_summary(facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The event and the keys that a person looks at, from those of an access line; what `note()` added stays."""
    event = f"{facts.get('http.request.method')} {facts.get('url.path')} {facts.get('http.response.status_code')}"
    repeated = facts.get("db.repeated_count")
    shown = {
        "ms": _rounded(facts.get("duration_ms")),
        "queries": facts.get("db.query_count"),
        "db_ms": _rounded(facts.get("db.duration_ms")),
        "repeated": repeated if isinstance(repeated, int) and repeated > 1 else None,
        "calls": facts.get("outgoing.count") or None,
        "calls_ms": _rounded(facts.get("outgoing.duration_ms")) or None,
        "transaction": facts.get("db.transaction"),
        "user": facts.get("user.id"),
    }
    noted = {key: value for key, value in facts.items() if not key.startswith(_access_prefixes)}
    return event, {key: value for key, value in (shown | noted).items() if value not in (None, "none")}


_access_prefixes = ("http.", "url.", "db.", "outgoing.", "client.", "user.", "user_agent.", "duration_ms")


def _rounded(value: object) -> object:
    return round(value, 1) if isinstance(value, int | float) else value
