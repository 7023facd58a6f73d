"""Sending all that waits now, for somebody who waits for it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from observability.sentry.delivery.dispatch import Dispatch
from observability.sentry.delivery.server import READ_TIMEOUT_S, Server
from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.trouble import Trouble, clear_trouble, write_trouble

PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Flushed:
    """What came of it: `dropped` are the events that the server refused, by its reason; `reason` is why some remain."""

    sent_count: int
    dropped: Mapping[str, int]
    remaining_count: int
    reason: str


def flush(spool: Spool, dsn: str, timeout_s: float) -> Flushed:
    """Send what waits, of processes that run too: an event is locked while it is sent, so none is sent twice."""
    deadline = time.monotonic() + timeout_s
    dispatch = Dispatch(spool, Server(dsn, read_timeout_s=max(0.1, min(READ_TIMEOUT_S, timeout_s))))
    trouble: Trouble | None = None
    while (waiting := spool.waiting()) and trouble is None and time.monotonic() < deadline:
        trouble = dispatch.send(waiting, is_over=lambda: time.monotonic() > deadline)
        if trouble is None:
            # Another process is sending what is left now.
            time.sleep(PAUSE_S)
    if trouble is not None:
        write_trouble(spool, trouble)
    elif not waiting:
        clear_trouble(spool)
    reason = trouble.reason if trouble else f"{timeout_s:g} s were not enough"
    return Flushed(dispatch.sent_count, dict(dispatch.dropped), len(spool.waiting()), reason)
