"""A probe: records of every level sent through a logger, and where each of them really arrived.

Handlers that write on this machine or into its log stream get the records for real, and a file is read again to see
that they are in it. A handler of any other class (Sentry's, a mail's, a web service's) would disturb somebody: it is
asked whether it takes the record, by its level and its filters, and given nothing.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from logging.handlers import MemoryHandler, QueueHandler, SysLogHandler
from pathlib import Path
from typing import Any, Literal, TypedDict

from observability.logs.effective.configuration import ROOT
from observability.logs.effective.routes import handler_name, live_handlers
from observability.recorders.log_records import ObservationHandler

LOGGING_PROBE = "logging_probe"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# A file is read again from here on: it may have gigabytes.
MAX_READ_BYTES = 1 << 20

_delivered = (logging.StreamHandler, MemoryHandler, QueueHandler, SysLogHandler, ObservationHandler)
_delivered_package = "observability.logs."

Outcome = Literal["written", "arrived", "would report", "lost", "failed"]


class Arrivals(TypedDict):
    """Where the records of a probe arrived; `file` is None for a handler without one.

    `outcomes` has the levels that a handler took: `written` (the line was found in its file), `arrived` (it has no
    file, its lines do not show the probe's id, or it keeps the record for later), `would report` (it was given
    nothing), `lost` (it took the record, and its file does not have it), `failed` (it said so itself, or raised).
    """

    handler: str
    file: str | None
    outcomes: dict[str, Outcome]


class Probe(TypedDict):
    """A probe that was sent: `probe_id` is the key by which its lines are found."""

    logger: str
    probe_id: str
    arrivals: list[Arrivals]


def send_probe(name: str) -> Probe:
    """Send a record `logging_probe` of each level through a logger, and watch every handler of the process.

    Handlers that keep records, to pass them on, are not flushed: what they keep has arrived at them alone.
    """
    probe_id = f"probe-{os.urandom(8).hex()}"
    logger = logging.getLogger(None if name in ("", ROOT) else name)
    last_resort = [logging.lastResort] if logging.lastResort else []
    watches = [_Watch(handler, probe_id) for handler in [*live_handlers(), *last_resort]]
    named = {watch.handler.name for watch in watches}
    with contextlib.ExitStack() as stack:
        stack.enter_context(_silent_sentry())
        for watch in watches:
            stack.enter_context(watch)
        for level in LEVELS:
            facts = {"probe_id": f"{probe_id}-{level}"}
            logger.log(logging.getLevelNamesMapping()[level], LOGGING_PROBE, extra={"facts": facts})
    # A handler without a name was made by code, and is worth a line only where it got something.
    arrivals = [each for each in map(_Watch.arrivals, watches) if each["outcomes"] or each["handler"] in named]
    return {"logger": logger.name, "probe_id": probe_id, "arrivals": arrivals}


class _Watch:
    """Watches one handler for the length of a block, by standing before its `handle`, `filter` and `handleError`.

    What `handle` returns does not tell whether a filter let the record through: a handler may override it.
    """

    def __init__(self, handler: logging.Handler, probe_id: str) -> None:
        self.handler = handler
        self._probe_id = probe_id
        self._outcomes: dict[str, Outcome] = {}
        self._verifiable: set[str] = set()
        self._was_refused = False
        module = f"{type(handler).__module__}."
        self._is_delivered = isinstance(handler, _delivered) or module.startswith(_delivered_package)

    def __enter__(self) -> None:
        handle, accepts, fail = self.handler.handle, self.handler.filter, self.handler.handleError

        def watched_filter(record: logging.LogRecord) -> Any:  # noqa: ANN401 - a record too, from Python 3.12 on
            result = accepts(record)
            if self._is_own(record):
                self._was_refused = not result
            return result

        def watched_handle(record: logging.LogRecord) -> Any:  # noqa: ANN401 - as above
            if not self._is_own(record):
                return handle(record)
            self._was_refused = False
            try:
                result = handle(record) if self._is_delivered else watched_filter(record)
            except Exception:  # noqa: BLE001 - the caller of a real record would get it; the other handlers are still asked
                self._note(record, "failed")
                return False
            if not self._was_refused:
                self._note(record, "arrived" if self._is_delivered else "would report")
            return result

        def watched_error(record: logging.LogRecord) -> None:
            if self._is_own(record):
                self._note(record, "failed")
            fail(record)

        vars(self.handler).update(handle=watched_handle, filter=watched_filter, handleError=watched_error)

    def __exit__(self, *exception: object) -> None:
        for name in ("handle", "filter", "handleError"):
            del vars(self.handler)[name]

    def _is_own(self, record: logging.LogRecord) -> bool:
        """Whether the record is the probe's: other threads log too."""
        return record.msg == LOGGING_PROBE and self._id(record).startswith(self._probe_id)

    def _id(self, record: logging.LogRecord) -> str:
        facts = record.__dict__.get("facts")
        return str(facts.get("probe_id")) if isinstance(facts, dict) else ""

    def _note(self, record: logging.LogRecord, outcome: Outcome) -> None:
        """Keep the first outcome: what failed did not arrive."""
        self._outcomes.setdefault(record.levelname, outcome)
        with contextlib.suppress(Exception):
            if self._id(record) in self.handler.format(record):
                self._verifiable.add(record.levelname)

    def arrivals(self) -> Arrivals:
        """What became of the records, after the file was read."""
        file = self.handler.baseFilename if isinstance(self.handler, logging.FileHandler) else None
        # What went into a device or a pipe cannot be read again.
        is_readable = file is not None and (Path(file).is_file() or not Path(file).exists())
        written = _ends(Path(file)) if file is not None and is_readable and self._outcomes else b""
        for level in self._verifiable if is_readable else ():
            if self._outcomes[level] == "arrived":
                is_written = f"{self._probe_id}-{level}".encode() in written
                self._outcomes[level] = "written" if is_written else "lost"
        return {"handler": handler_name(self.handler), "file": file, "outcomes": self._outcomes}


def _ends(file: Path) -> bytes:
    """The end of a log file, and of the one that was full during the probe."""
    written = b""
    for path in (file.with_name(f"{file.name}.1"), file):
        with contextlib.suppress(OSError), path.open("rb") as opened:
            opened.seek(max(0, path.stat().st_size - MAX_READ_BYTES))
            written += opened.read()
    return written


@contextlib.contextmanager
def _silent_sentry() -> Iterator[None]:
    """Let the Sentry SDK, where it is loaded, drop what its own integrations would report within the block."""
    sdk = sys.modules.get("sentry_sdk")
    if sdk is None:
        yield
        return
    with sdk.new_scope() as scope:
        scope.add_event_processor(lambda _event, _hint: None)
        yield
