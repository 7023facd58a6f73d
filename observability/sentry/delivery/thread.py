"""The thread that sends the events of a process, and those that dead processes left."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from observability.core.diagnostics import Diagnostics
from observability.sentry.delivery.bounds import Bounds
from observability.sentry.delivery.dispatch import Dispatch, log_dropped
from observability.sentry.delivery.outbox import Outbox
from observability.sentry.delivery.patience import Patience
from observability.sentry.delivery.server import Server
from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.trouble import Trouble, clear_trouble, write_trouble
from observability.text import safe_repr

SERVER_UNREACHABLE = "sentry_unreachable"
SERVER_REACHED = "sentry_reached"
# Of events that were limited; others may be sent in the meantime, but not by listing all of them each time.
LIMITED_PAUSE_S = 1.0
# For a thread that has nothing on its way; one that waits for the server is left behind.
LEAVE_S = 0.2

log = logging.getLogger("observability.sentry")


@dataclass(frozen=True, slots=True)
class Flush:
    """Somebody waits for an attempt, whatever the time."""

    done: threading.Event = field(default_factory=threading.Event)


class Delivery:
    """Made by the transport for one process; `wake()` starts its thread, `end()` ends it.

    Nobody waits for it but `flush()`. What it cannot send stays in the spool.
    """

    def __init__(
        self, spool: Spool, outbox: Outbox, *, server: Callable[[], Server], bounds: Bounds, patience: Patience
    ) -> None:
        self._spool = spool
        self._outbox = outbox
        self._make_server = server
        self._bounds = bounds
        self._patience = patience
        self._tokens: SimpleQueue[Flush | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.RLock()
        self._ended = threading.Event()
        self._diagnostics = Diagnostics("sentry:")
        # Of the thread alone. An attempt is made when something waits and `_blocked_until` is over; at `_retry_at`
        # something waits in any case.
        self._look_at = 0.0
        self._blocked_until = 0.0
        self._retry_at = float("inf")
        self._failures = 0
        self._is_away = False
        self._overflow_told = 0
        self._is_woken = False
        self._is_replay_due = False

    def wake(self) -> None:
        """Send what waits, in a thread; where none can be started, as at the end of the process, it goes on waiting."""
        self._tokens.put(None)
        self._start()

    def start(self) -> None:
        """Look for what others left, from a moment later on."""
        self._start()

    def flush(self, timeout_s: float) -> None:
        """Wait until what this process wrote was sent, or could not be, for so many seconds at most."""
        if self._thread is not None and self._thread.is_alive():
            flush = Flush()
            self._tokens.put(flush)
            if not flush.done.wait(timeout_s):
                # Who ends now leaves no other word of a server that says nothing.
                write_trouble(self._spool, Trouble(f"{timeout_s:g} s were not enough"))

    def end(self) -> None:
        """Send no more. The directory is left to others now, or when the thread has done what it is doing."""
        self._ended.set()
        self._tokens.put(None)
        with self._starting:
            thread = self._thread
        if thread is None:
            self._leave()
        elif thread is not threading.current_thread():
            thread.join(LEAVE_S)
        self._tell_of_lost()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._ended.is_set():
                thread = threading.Thread(target=self._run, name="sentry-spool", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    return
                self._thread = thread

    def _run(self) -> None:
        dispatch = Dispatch(self._spool, self._make_server())
        self._look_at = time.monotonic() + self._patience.start_pause_s
        try:
            while not self._ended.is_set():
                flushes = self._wait()
                try:
                    self._round(dispatch, flushes)
                except Exception as error:  # noqa: BLE001 - the next round may go well
                    self._diagnostics.write(f"the spool {self._spool.path} is not sent: {safe_repr(error)}")
                    self._fail(Trouble(safe_repr(error)))
                finally:
                    for flush in flushes:
                        flush.done.set()
        finally:
            self._leave()

    def _wait(self) -> list[Flush]:
        """Until there is something to do; who waits for it."""
        flushes: list[Flush] = []
        while not self._ended.is_set() and not flushes:
            due = min(self._look_at, self._retry_at)
            if self._is_woken:
                due = min(due, self._blocked_until)
            try:
                token = self._tokens.get(timeout=max(0.0, due - time.monotonic()))
            except Empty:
                break
            if not self._is_woken:
                self._is_woken = True
                self._blocked_until = max(self._blocked_until, time.monotonic() + self._patience.gather_s)
            while True:
                flushes += [token] if token else []
                try:
                    token = self._tokens.get_nowait()
                except Empty:
                    break
        return flushes

    def _round(self, dispatch: Dispatch, flushes: list[Flush]) -> None:
        now = time.monotonic()
        if now >= self._look_at and not self._ended.is_set():
            self._look_at = now + self._patience.look_s
            self._is_replay_due = True
            self._look(dispatch)
        if (now < self._blocked_until and not flushes) or self._ended.is_set():
            return
        self._is_woken = False
        sent_before = dispatch.sent_count
        trouble = self._send_own(dispatch)
        if trouble is None:
            for flush in flushes:
                flush.done.set()
        if (trouble is None or trouble.wait_s) and self._is_replay_due and not self._ended.is_set():
            trouble = self._replay(dispatch) or trouble
        if self._ended.is_set():
            return
        if dispatch.sent_count > sent_before:
            self._failures = 0
        if trouble is not None:
            self._fail(trouble)
        else:
            self._succeed(is_told=dispatch.sent_count > sent_before)

    def _look(self, dispatch: Dispatch) -> None:
        dispatch.enforce(self._bounds, time.time())
        self._tell_of_overflow()

    def _tell_of_overflow(self) -> None:
        untold = self._outbox.overflow_count - self._overflow_told
        if untold:
            log_dropped("too many in memory", untold)
            self._overflow_told += untold

    def _send_own(self, dispatch: Dispatch) -> Trouble | None:
        while not self._ended.is_set() and (letter := self._outbox.next_in_memory()):
            if self._outbox.put_back(letter):
                continue
            trouble = self._send_from_memory(dispatch)
            if trouble:
                return trouble
        return dispatch.send(self._outbox.waiting(), is_over=self._ended.is_set)

    def _send_from_memory(self, dispatch: Dispatch) -> Trouble | None:
        letter = self._outbox.next_in_memory()
        trouble = dispatch.send_letter(letter) if letter else None
        if letter and trouble:
            self._outbox.put_back(letter)
        return trouble

    def _replay(self, dispatch: Dispatch) -> Trouble | None:
        """Send what dead processes left, if no other process does."""
        trouble = None
        with self._spool.replaying() as is_replaying:
            for name in self._spool.directories() if is_replaying else ():
                with self._spool.adopted(name) as is_dead:
                    if is_dead:
                        waiting = self._spool.waiting(name)
                        trouble = dispatch.send(waiting, is_over=self._ended.is_set) or trouble
                if trouble and trouble.wait_s is None:
                    break
        self._is_replay_due = trouble is not None
        return trouble

    def _succeed(self, *, is_told: bool) -> None:
        """Nothing is left. Where nothing waited either, nothing is known of the server."""
        self._retry_at = float("inf")
        if is_told:
            if self._is_away:
                log.info(SERVER_REACHED)
            self._is_away = False
            self._blocked_until = 0.0
            clear_trouble(self._spool)

    def _fail(self, trouble: Trouble) -> None:
        now = time.monotonic()
        if not self._is_away:
            log.warning(SERVER_UNREACHABLE, extra={"facts": {"reason": trouble.reason}})
        self._is_away = True
        self._failures += 1
        if trouble.wait_s is None:
            self._blocked_until = self._retry_at = now + self._patience.pause_s(self._failures)
        else:
            self._blocked_until = now + min(trouble.wait_s, LIMITED_PAUSE_S)
            self._retry_at = now + trouble.wait_s
        write_trouble(self._spool, trouble)

    def _leave(self) -> None:
        self._outbox.close()
        self._tell_of_overflow()
        self._tell_of_lost()

    def _tell_of_lost(self) -> None:
        if lost := self._outbox.drop_memory():
            log_dropped("in memory alone when the process ended", lost)
