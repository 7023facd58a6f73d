"""Sending what waits, from the oldest on, until the server takes no more."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from observability.sentry.delivery.bounds import Bounds
from observability.sentry.delivery.limits import Limits
from observability.sentry.delivery.outbox import Letter
from observability.sentry.delivery.server import Answer, Outcome, Server
from observability.sentry.delivery.spool import Spool, Taken, Waiting
from observability.sentry.delivery.trouble import Trouble

EVENTS_DROPPED = "sentry_events_dropped"

# Warnings at most: an error of the room itself would be reported, by the way that does not work.
log = logging.getLogger("observability.sentry")


def log_dropped(reason: str, count: int) -> None:
    """Tell of events that nobody will see in Sentry."""
    log.warning(EVENTS_DROPPED, extra={"facts": {"dropped_count": count, "reason": reason}})


class Dispatch:
    """Sends events of a spool, of any process; used by one thread."""

    def __init__(self, spool: Spool, server: Server) -> None:
        self.sent_count = 0
        self.dropped: Counter[str] = Counter()
        self._spool = spool
        self._server = server
        self._limits = Limits()
        self._limit_reason = ""
        # What cannot be removed, on a disk that became read-only, is not sent again and again.
        self._done: set[str] = set()

    def send(self, waiting: Iterable[Waiting], *, is_over: Callable[[], bool]) -> Trouble | None:
        """Send these until it `is_over` or the server cannot take them; why events stay, if some do.

        What the server refuses is dropped, as is what never was an event. What another process sends is left to it.
        """
        limited = unreadable = None
        with self._telling_of_dropped():
            for each in waiting:
                if is_over():
                    break
                if wait_s := self._limits.remaining_s(each.category):
                    limited = limited or Trouble(self._limit_reason, wait_s)
                    continue
                try:
                    answer = self._send_file(each)
                except OSError as error:
                    unreadable = Trouble(f"{each.name} cannot be read: {error.strerror}")
                    continue
                if answer and answer.outcome is Outcome.LATER:
                    wait_s = self._limits.remaining_s(each.category)
                    if not wait_s:
                        return Trouble(answer.reason)
                    limited = Trouble(answer.reason, wait_s)
        return limited or unreadable

    def send_letter(self, letter: Letter) -> Trouble | None:
        """Send an event that is in no file; why it stays, if it does."""
        if wait_s := self._limits.remaining_s(letter.category):
            return Trouble(self._limit_reason, wait_s)
        with self._telling_of_dropped():
            answer = self._post(letter.content)
        if answer.outcome is not Outcome.LATER:
            return None
        return Trouble(answer.reason, self._limits.remaining_s(letter.category) or None)

    def enforce(self, bounds: Bounds, now: float) -> None:
        """Drop what is beyond the bounds, but not what is being sent."""
        with self._telling_of_dropped():
            for each, reason in bounds.excess(self._spool.waiting(), now):
                with suppress(OSError), self._spool.taken(each) as file:
                    if file is not None:
                        file.remove()
                        self.dropped[reason] += 1

    def _send_file(self, waiting: Waiting) -> Answer | None:
        if waiting.name in self._done:
            return None
        with self._spool.taken(waiting) as file:
            return None if file is None else self._send_taken(file, waiting.name)

    def _send_taken(self, file: Taken, name: str) -> Answer:
        answer = self._post(file.read())
        if answer.outcome is not Outcome.LATER:
            self._done.add(name)
            file.remove()
            self._done.remove(name)
        return answer

    def _post(self, envelope: bytes) -> Answer:
        answer = self._server.post(envelope)
        if answer.limits:
            self._limits.add(answer.limits)
            self._limit_reason = answer.reason
        self.sent_count += answer.outcome is Outcome.TAKEN
        if answer.outcome is Outcome.REFUSED:
            self.dropped[answer.reason] += 1
        return answer

    @contextmanager
    def _telling_of_dropped(self) -> Iterator[None]:
        """Log what the block drops, in one line for each reason."""
        before = self.dropped.copy()
        try:
            yield
        finally:
            for reason, count in (self.dropped - before).items():
                log_dropped(reason, count)
