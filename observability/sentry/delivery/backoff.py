"""Back off from a server that does not accept events: the retry delay, and the last failure for other processes."""

import json
import os
import random
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from observability.files import SAFE_FLAGS
from observability.sentry.delivery.spool import Spool, write_private

LAST_FAILURE_NAME = "last_failure.json"
MAX_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Backoff:
    """The times of the worker, in seconds; the tests use shorter ones.

    first_delay_s, max_delay_s: the delay before a retry; it doubles with each failure.
    scan_interval_s: between two scans for events of dead processes and for events over the quota.
    gather_s: between an event and its delivery, so that its request is done first, with the processor for itself.
    start_delay_s: before the first scan, so that short commands leave the events of dead processes to others.
    """

    first_delay_s: float = 0.5
    max_delay_s: float = 60.0
    scan_interval_s: float = 10.0
    gather_s: float = 0.1
    start_delay_s: float = 1.0

    def retry_delay_s(self, failure_count: int) -> float:
        """Return the delay after this many failures in a row, with a jitter of up to 20% less.

        The jitter keeps processes from retrying at the same moment.
        """
        delay_s: float = min(self.first_delay_s * 2 ** min(failure_count - 1, 30), self.max_delay_s)
        return delay_s * float(random.uniform(0.8, 1))  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """Why events stay in the spool. `wait_s` is the rate limit of the server, or None if it has not set one."""

    reason: str
    wait_s: float | None = None
    at: float = field(default_factory=time.time)


def write_last_failure(spool: Spool, failure: DeliveryFailure) -> None:
    """Write the failure to the spool for `manage.py sentry status`; ignore a spool that cannot be written."""
    with suppress(OSError), spool.open_directory() as directory:
        write_private(LAST_FAILURE_NAME, json.dumps(asdict(failure)).encode(), directory=directory)


def clear_last_failure(spool: Spool) -> None:
    """Remove the failure, because the server accepts events again."""
    with suppress(OSError), spool.open_directory() as directory:
        os.unlink(LAST_FAILURE_NAME, dir_fd=directory)


def read_last_failure(spool: Spool) -> DeliveryFailure | None:
    """Return the last failure of any process; None if there is none, or its file cannot be read."""
    try:
        with spool.open_directory() as directory:
            descriptor = os.open(LAST_FAILURE_NAME, os.O_RDONLY | SAFE_FLAGS, dir_fd=directory)
            with os.fdopen(descriptor, "rb") as file:
                return DeliveryFailure(**json.loads(file.read(MAX_BYTES)))
    except (OSError, ValueError, TypeError):
        return None
