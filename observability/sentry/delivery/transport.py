"""The SDK transport with a spool: it writes each event to a file and wakes the worker. An outage loses no event."""

import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from observability.core.diagnostics import Diagnostics
from observability.sentry.delivery.backoff import Backoff
from observability.sentry.delivery.server import READ_TIMEOUT_S, Server
from observability.sentry.delivery.spool import Spool, SpoolQuota
from observability.sentry.delivery.spool_writer import SpoolWriter
from observability.sentry.delivery.worker import DeliveryWorker
from observability.text import safe_repr


class SpoolTransport(Transport):
    """The transport of the SDK, created once. Each process has its own writer and worker; a forked child gets new ones.

    If events of earlier processes are waiting, the worker starts at once. No method raises to the application.
    """

    def __init__(
        self,
        dsn: str,
        root: Path,
        *,
        quota: SpoolQuota = SpoolQuota(),  # noqa: B008 - frozen
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        super().__init__({"dsn": dsn})
        self.dsn = dsn
        self.spool = Spool.for_dsn(root, dsn)
        self._quota = quota
        self._backoff = backoff
        self._read_timeout_s = read_timeout_s
        self._diagnostics = Diagnostics("sentry:")
        self.start_process()
        _transports.add(self)

    def start_process(self) -> None:
        """Create the writer and the worker of this process. A forked child does not inherit them."""
        self._writer = SpoolWriter(self.spool)
        self._worker = DeliveryWorker(
            self.spool,
            self._writer,
            server=lambda: Server(self.dsn, read_timeout_s=self._read_timeout_s),
            quota=self._quota,
            backoff=self._backoff,
        )
        if not self.spool.is_empty():
            self._worker.start()

    def capture_envelope(self, envelope: Envelope) -> None:
        """Write the envelope; the worker sends it."""
        try:
            self._writer.put(serialize(envelope), envelope.items[0].data_category)
            self._worker.wake()
        except Exception as error:  # noqa: BLE001 - a failure to report must not break the application
            self._diagnostics.write(f"an event could not be written to the spool {self.spool.path}: {safe_repr(error)}")

    def flush(self, timeout: float, callback: Any = None) -> None:  # noqa: ANN401, ARG002 - the SDK's signature
        """Try to send the waiting events for at most `timeout` seconds. At the end of a process, the SDK passes two."""
        self._worker.flush(timeout)

    def kill(self) -> None:
        """Stop the worker. Other processes send the waiting events."""
        _transports.discard(self)
        self._worker.stop()


def serialize(envelope: Envelope) -> bytes:
    """Return the bytes of the envelope. This takes less than half of the SDK's time; the request waits for it."""
    for item in envelope.items:
        if item.payload.bytes is None and item.payload.json is not None:
            # The SDK serializes payloads that orjson cannot, such as an integer of more than 64 bits.
            with suppress(TypeError):
                item.payload.bytes = orjson.dumps(item.payload.json)
    return envelope.serialize()


# Global, because the fork hook cannot be removed. Weak, so that unused transports are freed.
_transports: "weakref.WeakSet[SpoolTransport]" = weakref.WeakSet()


def _start_in_child() -> None:
    for transport in list(_transports):
        transport.start_process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_in_child)
