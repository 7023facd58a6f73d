"""Backoff if the server does not accept events: the retry delay, and the last failure, which other processes read."""

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
    """The delays of the worker, in seconds. Tests use shorter ones.

    first_delay_s, max_delay_s: the delay before a retry. It doubles with each failure, up to the maximum.
    scan_interval_s: the time between two scans for events of dead processes and for events over the quota.
    gather_s: the time between a new event and its delivery, so that the failing request can finish first.
    start_delay_s: the time before the first scan, so that short commands do not send the events of dead processes.
    """

    first_delay_s: float = 0.5
    max_delay_s: float = 60.0
    scan_interval_s: float = 10.0
    gather_s: float = 0.1
    start_delay_s: float = 1.0

    def retry_delay_s(self, failure_count: int) -> float:
        """Return the delay after this number of failures in a row, reduced by a random jitter of up to 20%.

        Because of the jitter, several processes do not retry at the same time.
        """
        delay_s: float = min(self.first_delay_s * 2 ** min(failure_count - 1, 30), self.max_delay_s)
        return delay_s * float(random.uniform(0.8, 1))  # noqa: S311 - not used for security


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """The reason why events stay in the spool. `wait_s` is the server's rate limit in seconds; None without a limit."""

    reason: str
    wait_s: float | None = None
    at: float = field(default_factory=time.time)


def write_last_failure(spool: Spool, failure: DeliveryFailure) -> None:
    """Write the failure to the spool for `manage.py sentry status`. Ignore errors of writing."""
    with suppress(OSError), spool.open_directory() as directory:
        write_private(LAST_FAILURE_NAME, json.dumps(asdict(failure)).encode(), directory=directory)


def clear_last_failure(spool: Spool) -> None:
    """Remove the last failure, because the server accepts events again."""
    with suppress(OSError), spool.open_directory() as directory:
        os.unlink(LAST_FAILURE_NAME, dir_fd=directory)


def read_last_failure(spool: Spool) -> DeliveryFailure | None:
    """Return the last failure of any process; None without a failure, or if its file cannot be read."""
    try:
        with spool.open_directory() as directory:
            descriptor = os.open(LAST_FAILURE_NAME, os.O_RDONLY | SAFE_FLAGS, dir_fd=directory)
            with os.fdopen(descriptor, "rb") as file:
                return DeliveryFailure(**json.loads(file.read(MAX_BYTES)))
    except (OSError, ValueError, TypeError):
        return None
