"""Send the events of a spool, oldest first, until the server stops accepting them."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from observability.sentry.delivery.backoff import DeliveryFailure, clear_last_failure, write_last_failure
from observability.sentry.delivery.server import READ_TIMEOUT_S, Answer, Outcome, RateLimits, Server
from observability.sentry.delivery.spool import ClaimedEvent, QueuedEvent, Spool, SpoolQuota
from observability.sentry.delivery.spool_writer import MemoryEvent

EVENTS_DROPPED = "sentry_events_dropped"
POLL_INTERVAL_S = 0.1

# Never log above WARNING here: an error would be reported to Sentry, with the delivery that does not work.
log = logging.getLogger("observability.sentry")


def log_dropped(reason: str, count: int) -> None:
    """Log that events were dropped: Sentry will not show them."""
    log.warning(EVENTS_DROPPED, extra={"facts": {"dropped_count": count, "reason": reason}})


class EventSender:
    """Send events of a spool, of any process. Not thread-safe: each thread needs its own sender."""

    def __init__(self, spool: Spool, server: Server) -> None:
        self.sent_count = 0
        self.dropped: Counter[str] = Counter()
        self._spool = spool
        self._server = server
        self._rate_limits = RateLimits()
        self._rate_limit_reason = ""
        # Sent events whose files could not be removed, for example on a read-only disk. They are not sent again.
        self._sent_names: set[str] = set()

    def send(self, events: Iterable[QueuedEvent], *, should_stop: Callable[[], bool]) -> DeliveryFailure | None:
        """Send the events until `should_stop()` is true or the server accepts no more. Return why events stay, or None.

        If the server rejects an event, or a file is not a valid event, it is dropped. An event that another process has
        claimed is skipped.
        """
        limited = unreadable = None
        with self._logging_dropped():
            for event in events:
                if should_stop():
                    break
                if wait_s := self._rate_limits.remaining_s(event.category):
                    limited = limited or DeliveryFailure(self._rate_limit_reason, wait_s)
                    continue
                try:
                    answer = self._send_file(event)
                except OSError as error:
                    unreadable = DeliveryFailure(f"{event.name} cannot be read: {error.strerror}")
                    continue
                if answer and answer.outcome is Outcome.RETRY:
                    wait_s = self._rate_limits.remaining_s(event.category)
                    if not wait_s:
                        return DeliveryFailure(answer.reason)
                    limited = DeliveryFailure(answer.reason, wait_s)
        return limited or unreadable

    def send_from_memory(self, event: MemoryEvent) -> DeliveryFailure | None:
        """Send an event that is not in a file. Return why it was not accepted, or None."""
        if wait_s := self._rate_limits.remaining_s(event.category):
            return DeliveryFailure(self._rate_limit_reason, wait_s)
        with self._logging_dropped():
            answer = self._post(event.content)
        if answer.outcome is not Outcome.RETRY:
            return None
        return DeliveryFailure(answer.reason, self._rate_limits.remaining_s(event.category) or None)

    def enforce_quota(self, quota: SpoolQuota, now: float) -> None:
        """Drop the events over the quota, except events that a process is sending."""
        with self._logging_dropped():
            for event, reason in quota.find_excess(self._spool.events(), now):
                with suppress(OSError), self._spool.claim(event) as claimed:
                    if claimed is not None:
                        claimed.remove()
                        self.dropped[reason] += 1

    def _send_file(self, event: QueuedEvent) -> Answer | None:
        if event.name in self._sent_names:
            return None
        with self._spool.claim(event) as claimed:
            return None if claimed is None else self._send_claimed(claimed, event.name)

    def _send_claimed(self, claimed: ClaimedEvent, name: str) -> Answer:
        answer = self._post(claimed.read())
        if answer.outcome is not Outcome.RETRY:
            self._sent_names.add(name)
            claimed.remove()
            self._sent_names.remove(name)
        return answer

    def _post(self, envelope: bytes) -> Answer:
        answer = self._server.post(envelope)
        if answer.rate_limits:
            self._rate_limits.add(answer.rate_limits)
            self._rate_limit_reason = answer.reason
        self.sent_count += answer.outcome is Outcome.ACCEPTED
        if answer.outcome is Outcome.REJECTED:
            self.dropped[answer.reason] += 1
        return answer

    @contextmanager
    def _logging_dropped(self) -> Iterator[None]:
        """Log the events that the block drops, one log line per reason."""
        before = self.dropped.copy()
        try:
            yield
        finally:
            for reason, count in (self.dropped - before).items():
                log_dropped(reason, count)


@dataclass(frozen=True, slots=True)
class FlushResult:
    """The result of `flush_spool`. `dropped`: rejected events by reason. `reason`: why events remain."""

    sent_count: int
    dropped: Mapping[str, int]
    remaining_count: int
    reason: str


def flush_spool(spool: Spool, dsn: str, timeout_s: float) -> FlushResult:
    """Send all events of the spool now, also those of running processes. Claims ensure that no event is sent twice."""
    deadline = time.monotonic() + timeout_s
    sender = EventSender(spool, Server(dsn, read_timeout_s=max(0.1, min(READ_TIMEOUT_S, timeout_s))))
    failure: DeliveryFailure | None = None
    while (events := spool.events()) and failure is None and time.monotonic() < deadline:
        failure = sender.send(events, should_stop=lambda: time.monotonic() > deadline)
        if failure is None:
            # Wait for another process, which is sending the remaining events.
            time.sleep(POLL_INTERVAL_S)
    if failure is not None:
        write_last_failure(spool, failure)
    elif not events:
        clear_last_failure(spool)
    reason = failure.reason if failure else format_timeout(timeout_s)
    return FlushResult(sender.sent_count, dict(sender.dropped), len(spool.events()), reason)


def format_timeout(timeout_s: float) -> str:
    """Return the reason for events that were not sent before the timeout."""
    return f"not sent within {timeout_s:g} s"
