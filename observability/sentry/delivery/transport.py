"""The SDK's transport by which no event is lost: into the spool first, then to the server."""

import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from observability.core.diagnostics import Diagnostics
from observability.sentry.delivery.bounds import Bounds
from observability.sentry.delivery.outbox import Outbox
from observability.sentry.delivery.patience import Patience
from observability.sentry.delivery.server import READ_TIMEOUT_S, Server
from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.thread import Delivery
from observability.text import safe_repr


class SpoolTransport(Transport):
    """Made once, with the SDK; has an outbox and a delivery in each process, which a fork's child makes anew.

    What an earlier process left is sent from the start on. Nothing here raises into the application.
    """

    def __init__(
        self,
        dsn: str,
        root: Path,
        *,
        bounds: Bounds = Bounds(),  # noqa: B008 - frozen
        patience: Patience = Patience(),  # noqa: B008 - frozen
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        super().__init__({"dsn": dsn})
        self.dsn = dsn
        self.spool = Spool.of(root, dsn)
        self._bounds = bounds
        self._patience = patience
        self._read_timeout_s = read_timeout_s
        self._diagnostics = Diagnostics("sentry:")
        self.begin()
        _transports.add(self)

    def begin(self) -> None:
        """Begin anew, in this process: a child of the one that made it has neither its thread nor its events."""
        self._outbox = Outbox(self.spool)
        self._delivery = Delivery(
            self.spool,
            self._outbox,
            server=lambda: Server(self.dsn, read_timeout_s=self._read_timeout_s),
            bounds=self._bounds,
            patience=self._patience,
        )
        if not self.spool.is_empty():
            self._delivery.start()

    def capture_envelope(self, envelope: Envelope) -> None:
        """Write the envelope; a thread sends it."""
        try:
            self._outbox.put(content_of(envelope), envelope.items[0].data_category)
            self._delivery.wake()
        except Exception as error:  # noqa: BLE001 - a failure to report is none of the application
            self._diagnostics.write(f"an event could not be kept: {safe_repr(error)}")

    def flush(self, timeout: float, callback: Any = None) -> None:  # noqa: ANN401, ARG002 - of the SDK, which tells people to wait
        """Try to send what waits, for so many seconds at most; at the end of the process the SDK gives it two."""
        self._delivery.flush(timeout)

    def kill(self) -> None:
        """End the thread; what waits is left to other processes."""
        _transports.discard(self)
        self._delivery.end()


def content_of(envelope: Envelope) -> bytes:
    """The envelope as it is sent, in less than half of the SDK's time: the request waits for this."""
    for item in envelope.items:
        if item.payload.bytes is None and item.payload.json is not None:
            # What orjson refuses the SDK writes, such as an integer of more than 64 bits.
            with suppress(TypeError):
                item.payload.bytes = orjson.dumps(item.payload.json)
    return envelope.serialize()


# Weak, and global as the hook is: it cannot be taken back.
_transports: "weakref.WeakSet[SpoolTransport]" = weakref.WeakSet()


def _begin_in_child() -> None:
    for transport in list(_transports):
        transport.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
