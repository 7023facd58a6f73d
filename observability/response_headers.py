"""Readers that set response headers."""

from observability.conf import configuration
from observability.core.measurements import unusual_keys
from observability.core.observation import Observation
from observability.core.readers import Headers
from observability.text import format_count


class RequestIdHeader:
    """Set X-Request-ID on every response. A person can search the log for this id."""

    def response_started(self, observation: Observation, headers: Headers) -> None:
        headers["X-Request-ID"] = observation.request_id


class ServerTimingHeader:
    """Set the Server-Timing header (W3C) for the users that SERVER_TIMING allows.

    It has the total duration, the duration of queries and, if there were any, of outgoing requests, in milliseconds
    until the response starts. Entries that the application set follow them.
    """

    def response_started(self, observation: Observation, headers: Headers) -> None:
        if not self._is_shown_to(observation):
            return
        # Read the observation directly: building all its keys would double the cost of this header.
        queries = format_count(observation.query_count, "query", "queries")
        unusual = unusual_keys(observation)
        if unusual.get("db.over_budget"):
            queries += f", {unusual['db.query_budget']} allowed"
        timing = f'total;dur={observation.duration_ms:.1f}, db;dur={observation.query_duration_ms:.1f};desc="{queries}"'
        if count := observation.outgoing_count:
            requests = format_count(count, "request")
            timing += f', outgoing;dur={observation.outgoing_duration_ms:.1f};desc="{requests}"'
        existing = headers.get("Server-Timing")
        headers["Server-Timing"] = f"{timing}, {existing}" if existing else timing

    def _is_shown_to(self, observation: Observation) -> bool:
        allowed = configuration().server_timing
        is_staff = observation.http is not None and observation.http.user_is_staff
        return allowed == "everyone" or (allowed == "staff" and is_staff)
