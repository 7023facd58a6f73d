"""The worker: a thread that sends the events of its process, and the events of dead processes."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from observability.core.diagnostics import Diagnostics
from observability.sentry.delivery.backoff import Backoff, DeliveryFailure, clear_last_failure, write_last_failure
from observability.sentry.delivery.sender import EventSender, format_timeout, log_dropped
from observability.sentry.delivery.server import Server
from observability.sentry.delivery.spool import Spool, SpoolQuota
from observability.sentry.delivery.spool_writer import SpoolWriter
from observability.text import safe_repr

SERVER_UNREACHABLE = "sentry_unreachable"
SERVER_REACHED = "sentry_reached"
# While one category is rate-limited, events of others are sent. The delay limits how often all events are listed.
RATE_LIMITED_DELAY_S = 1.0
# Long enough for a thread that is not sending. `stop()` does not wait longer for a thread that waits for the server.
STOP_TIMEOUT_S = 0.2

log = logging.getLogger("observability.sentry")


@dataclass(frozen=True, slots=True)
class FlushRequest:
    """A request to send now; `done` is set after the attempt."""

    done: threading.Event = field(default_factory=threading.Event)


class DeliveryWorker:
    """Send events in a thread. The transport creates one for each process. `wake()` starts it, `stop()` ends it.

    Only `flush()` waits for the thread. Events that it cannot send stay in the spool.
    """

    def __init__(
        self, spool: Spool, writer: SpoolWriter, *, server: Callable[[], Server], quota: SpoolQuota, backoff: Backoff
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._make_server = server
        self._quota = quota
        self._backoff = backoff
        # None only wakes the thread.
        self._requests: SimpleQueue[FlushRequest | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._start_lock = threading.RLock()
        self._stopped = threading.Event()
        self._diagnostics = Diagnostics("sentry:")
        # Only the thread uses these attributes. It sends after a wake-up, but not before `_blocked_until`. At
        # `_retry_at` it sends also without a wake-up.
        self._scan_at = 0.0
        self._blocked_until = 0.0
        self._retry_at = float("inf")
        self._failure_count = 0
        self._is_unreachable = False
        self._logged_overflow_count = 0
        self._is_woken = False
        self._is_replay_due = False

    def start(self) -> None:
        """Start the thread. After a delay, it scans for events of dead processes."""
        with self._start_lock:
            if self._thread is None and not self._stopped.is_set():
                thread = threading.Thread(target=self._run, name="sentry-spool", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    return
                self._thread = thread

    def wake(self) -> None:
        """Let the thread send new events. If it cannot start, as at the end of the interpreter, the events wait."""
        self._requests.put(None)
        self.start()

    def flush(self, timeout_s: float) -> None:
        """Let the thread send the events of this process now, and wait for at most `timeout_s` seconds."""
        if self._thread is not None and self._thread.is_alive():
            request = FlushRequest()
            self._requests.put(request)
            if not request.done.wait(timeout_s):
                # Write the failure here: if the process ends now, its thread cannot write it any more.
                write_last_failure(self._spool, DeliveryFailure(format_timeout(timeout_s)))

    def stop(self) -> None:
        """Stop sending. The directory is released now, or after the thread has finished its current request."""
        self._stopped.set()
        self._requests.put(None)
        with self._start_lock:
            thread = self._thread
        if thread is None:
            self._release()
        elif thread is not threading.current_thread():
            thread.join(STOP_TIMEOUT_S)
        self._log_lost()

    def _run(self) -> None:
        sender = EventSender(self._spool, self._make_server())
        self._scan_at = time.monotonic() + self._backoff.start_delay_s
        try:
            while not self._stopped.is_set():
                flushes = self._wait()
                try:
                    self._run_once(sender, flushes)
                except Exception as error:  # noqa: BLE001 - the next run may succeed
                    self._diagnostics.write(
                        f"sending the events of the spool {self._spool.path} failed: {safe_repr(error)}"
                    )
                    self._back_off(DeliveryFailure(safe_repr(error)))
                finally:
                    for flush in flushes:
                        flush.done.set()
        finally:
            self._release()

    def _wait(self) -> list[FlushRequest]:
        """Wait until it is time to send or scan; return the flush requests."""
        flushes: list[FlushRequest] = []
        while not self._stopped.is_set() and not flushes:
            due = min(self._scan_at, self._retry_at)
            if self._is_woken:
                due = min(due, self._blocked_until)
            try:
                request = self._requests.get(timeout=max(0.0, due - time.monotonic()))
            except Empty:
                break
            if not self._is_woken:
                self._is_woken = True
                self._blocked_until = max(self._blocked_until, time.monotonic() + self._backoff.gather_s)
            while True:
                flushes += [request] if request else []
                try:
                    request = self._requests.get_nowait()
                except Empty:
                    break
        return flushes

    def _run_once(self, sender: EventSender, flushes: list[FlushRequest]) -> None:
        now = time.monotonic()
        if now >= self._scan_at and not self._stopped.is_set():
            self._scan_at = now + self._backoff.scan_interval_s
            self._is_replay_due = True
            sender.enforce_quota(self._quota, time.time())
            self._log_overflow()
        if (now < self._blocked_until and not flushes) or self._stopped.is_set():
            return
        self._is_woken = False
        sent_before = sender.sent_count
        failure = self._send_own(sender)
        if failure is None:
            for flush in flushes:
                flush.done.set()
        if (failure is None or failure.wait_s) and self._is_replay_due and not self._stopped.is_set():
            failure = self._replay(sender) or failure
        if self._stopped.is_set():
            return
        has_sent = sender.sent_count > sent_before
        if has_sent:
            self._failure_count = 0
        if failure is not None:
            self._back_off(failure)
        else:
            self._resume(has_sent=has_sent)

    def _send_own(self, sender: EventSender) -> DeliveryFailure | None:
        """Write the events in memory to files, or send them from memory if writing fails; then send the files."""
        while not self._stopped.is_set() and (event := self._writer.pop_from_memory()):
            if self._writer.put_back(event):
                continue
            failure = self._send_from_memory(sender)
            if failure:
                return failure
        return sender.send(self._writer.events(), should_stop=self._stopped.is_set)

    def _send_from_memory(self, sender: EventSender) -> DeliveryFailure | None:
        event = self._writer.pop_from_memory()
        failure = sender.send_from_memory(event) if event else None
        if event and failure:
            self._writer.put_back(event)
        return failure

    def _replay(self, sender: EventSender) -> DeliveryFailure | None:
        """Send the events of dead processes, unless another process is already sending them."""
        failure = None
        with self._spool.claim_replay() as is_claimed:
            for name in self._spool.directories() if is_claimed else ():
                with self._spool.adopt(name) as is_dead:
                    if is_dead:
                        failure = sender.send(self._spool.events(name), should_stop=self._stopped.is_set) or failure
                if failure and failure.wait_s is None:
                    break
        self._is_replay_due = failure is not None
        return failure

    def _resume(self, *, has_sent: bool) -> None:
        """End the backoff, because no event is left. The server counts as reachable only if an event was sent."""
        self._retry_at = float("inf")
        if has_sent:
            if self._is_unreachable:
                log.info(SERVER_REACHED)
            self._is_unreachable = False
            self._blocked_until = 0.0
            clear_last_failure(self._spool)

    def _back_off(self, failure: DeliveryFailure) -> None:
        now = time.monotonic()
        if not self._is_unreachable:
            log.warning(SERVER_UNREACHABLE, extra={"facts": {"reason": failure.reason}})
        self._is_unreachable = True
        self._failure_count += 1
        if failure.wait_s is None:
            self._blocked_until = self._retry_at = now + self._backoff.retry_delay_s(self._failure_count)
        else:
            self._blocked_until = now + min(failure.wait_s, RATE_LIMITED_DELAY_S)
            self._retry_at = now + failure.wait_s
        write_last_failure(self._spool, failure)

    def _release(self) -> None:
        self._writer.close()
        self._log_overflow()
        self._log_lost()

    def _log_overflow(self) -> None:
        new_count = self._writer.overflow_count - self._logged_overflow_count
        if new_count:
            log_dropped("too many in memory", new_count)
            self._logged_overflow_count += new_count

    def _log_lost(self) -> None:
        if lost_count := self._writer.clear_memory():
            log_dropped("still in memory when the process ended", lost_count)
