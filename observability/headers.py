"""The readers that set response headers."""

from observability.conf import configuration
from observability.observation import Observation
from observability.readers import Headers


class RequestIdHeader:
    """X-Request-ID on every response: by it, its line is found in the log."""

    def response_started(self, observation: Observation, headers: Headers) -> None:
        headers["X-Request-ID"] = observation.request_id


class ServerTimingHeader:
    """Server-Timing (W3C), for those whom SERVER_TIMING allows: total, database, and calls where there were any, in ms.

    The durations are those until the response started. Values that are there already stay.
    """

    def response_started(self, observation: Observation, headers: Headers) -> None:
        if not self._is_shown_to(observation):
            return
        count = observation.query_count
        budget = f", {observation.query_budget} allowed" if observation.over_budget else ""
        ours = (
            f"total;dur={observation.duration_ms:.1f}, "
            f'db;dur={observation.query_duration_ms:.1f};desc="{count} {"query" if count == 1 else "queries"}{budget}"'
        )
        if calls := observation.outgoing_count:
            named = f"{calls} {'call' if calls == 1 else 'calls'}"
            ours += f', outgoing;dur={observation.outgoing_duration_ms:.1f};desc="{named}"'
        theirs = headers.get("Server-Timing")
        headers["Server-Timing"] = f"{ours}, {theirs}" if theirs else ours

    def _is_shown_to(self, observation: Observation) -> bool:
        audience = configuration().server_timing
        is_staff = observation.http is not None and observation.http.user_is_staff
        return audience == "everyone" or (audience == "staff" and is_staff)
