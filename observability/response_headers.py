"""The readers that set response headers."""

from observability.conf import configuration
from observability.core.measurements import to_dict
from observability.core.observation import Observation
from observability.core.readers import Headers
from observability.text import format_count


class RequestIdHeader:
    """Set X-Request-ID on every response: it finds the request's lines in the log."""

    def response_started(self, observation: Observation, headers: Headers) -> None:
        headers["X-Request-ID"] = observation.request_id


class ServerTimingHeader:
    """Set Server-Timing (W3C) for those that SERVER_TIMING allows: total, database, outgoing requests if any, in ms.

    The durations end when the response starts. Entries that the application set follow.
    """

    def response_started(self, observation: Observation, headers: Headers) -> None:
        if not self._is_shown_to(observation):
            return
        keys = to_dict(observation)
        queries = format_count(keys["db.query_count"], "query", "queries")
        if keys.get("db.over_budget"):
            queries += f", {keys['db.query_budget']} allowed"
        entries = [f"total;dur={keys['duration_ms']:.1f}", f'db;dur={keys["db.duration_ms"]:.1f};desc="{queries}"']
        if count := keys["outgoing.count"]:
            requests = format_count(count, "request")
            entries.append(f'outgoing;dur={keys["outgoing.duration_ms"]:.1f};desc="{requests}"')
        if existing := headers.get("Server-Timing"):
            entries.append(existing)
        headers["Server-Timing"] = ", ".join(entries)

    def _is_shown_to(self, observation: Observation) -> bool:
        allowed = configuration().server_timing
        is_staff = observation.http is not None and observation.http.user_is_staff
        return allowed == "everyone" or (allowed == "staff" and is_staff)
