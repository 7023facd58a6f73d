"""A logging probe: send a record of each level through a logger, and find out which handlers get and write it.

Handlers that write on this machine or into its log stream get the records. Their log files are read, to verify that the
lines are there. Handlers of other classes (Sentry, mail, web services) would alert people, so they do not get the
records. Only their level and filters are evaluated.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from logging.handlers import MemoryHandler, QueueHandler, SysLogHandler
from pathlib import Path
from typing import Any, Literal, TypedDict

from observability.logs.effective_configuration import ROOT, find_handlers, handler_name
from observability.logs.levels import LEVELS
from observability.recorders.log_records import ObservationHandler

LOGGING_PROBE = "logging_probe"
# Only the end of a file is read, because a file may have gigabytes.
MAX_READ_BYTES = 1 << 20

_delivered_classes = (logging.StreamHandler, MemoryHandler, QueueHandler, SysLogHandler, ObservationHandler)
_delivered_package = "observability.logs."

Outcome = Literal["written", "arrived", "would report", "lost", "failed"]


class ProbeResult(TypedDict):
    """The result of a probe for one handler. `file` is None if the handler has no file.

    `outcomes` has the levels that the handler accepts. `written`: the line is in its file. `arrived`: the handler got
    the record, but this cannot be verified in a file: it has no file, its lines do not contain the probe id, or it
    buffers the record. `would report`: it accepts the record, but did not get it. `lost`: it got the record, but the
    line is not in its file. `failed`: it raised an exception or called `handleError`.
    """

    handler: str
    file: str | None
    outcomes: dict[str, Outcome]


class Probe(TypedDict):
    """A probe that was sent. Its lines have the key `probe_id`: this id, `-` and the level."""

    logger: str
    probe_id: str
    arrivals: list[ProbeResult]


def send_probe(name: str) -> Probe:
    """Send a record `logging_probe` of each level through a logger, and watch all handlers of the process.

    Buffering handlers are not flushed, so their targets do not get the buffered records.
    """
    probe_id = f"probe-{os.urandom(8).hex()}"
    logger = logging.getLogger(None if name in ("", ROOT) else name)
    last_resort = [logging.lastResort] if logging.lastResort else []
    watches = [_Watch(handler, probe_id) for handler in [*find_handlers(), *last_resort]]
    named = {watch.handler.name for watch in watches}
    with contextlib.ExitStack() as stack:
        stack.enter_context(_without_sentry_integrations())
        for watch in watches:
            stack.enter_context(watch)
        for level in LEVELS:
            facts = {"probe_id": f"{probe_id}-{level}"}
            logger.log(logging.getLevelNamesMapping()[level], LOGGING_PROBE, extra={"facts": facts})
    # A handler without a name, which code created, is listed only if it got a record.
    arrivals = [each for each in map(_Watch.result, watches) if each["outcomes"] or each["handler"] in named]
    return {"logger": logger.name, "probe_id": probe_id, "arrivals": arrivals}


class _Watch:
    """Watch one handler during a block, by wrapping its `handle`, `filter` and `handleError`.

    The result of `handle` does not show whether the filters passed the record, because handlers may override `handle`.
    """

    def __init__(self, handler: logging.Handler, probe_id: str) -> None:
        self.handler = handler
        self._probe_id = probe_id
        self._outcomes: dict[str, Outcome] = {}
        self._verifiable: set[str] = set()
        self._was_refused = False
        module = f"{type(handler).__module__}."
        self._is_delivered = isinstance(handler, _delivered_classes) or module.startswith(_delivered_package)

    def __enter__(self) -> None:
        handle, accepts, fail = self.handler.handle, self.handler.filter, self.handler.handleError

        def watched_filter(record: logging.LogRecord) -> Any:  # noqa: ANN401 - a record too, from Python 3.12 on
            result = accepts(record)
            if self._belongs_to_probe(record):
                self._was_refused = not result
            return result

        def watched_handle(record: logging.LogRecord) -> Any:  # noqa: ANN401 - as above
            if not self._belongs_to_probe(record):
                return handle(record)
            self._was_refused = False
            try:
                result = handle(record) if self._is_delivered else watched_filter(record)
            except Exception:  # noqa: BLE001 - the other handlers are still probed
                self._store_outcome(record, "failed")
                return False
            if not self._was_refused:
                self._store_outcome(record, "arrived" if self._is_delivered else "would report")
            return result

        def watched_error(record: logging.LogRecord) -> None:
            if self._belongs_to_probe(record):
                self._store_outcome(record, "failed")
            fail(record)

        vars(self.handler).update(handle=watched_handle, filter=watched_filter, handleError=watched_error)

    def __exit__(self, *exception: object) -> None:
        for name in ("handle", "filter", "handleError"):
            del vars(self.handler)[name]

    def _belongs_to_probe(self, record: logging.LogRecord) -> bool:
        """Return whether the record belongs to this probe. Other threads log at the same time."""
        return record.msg == LOGGING_PROBE and self._probe_id_of(record).startswith(self._probe_id)

    def _probe_id_of(self, record: logging.LogRecord) -> str:
        facts = record.__dict__.get("facts")
        return str(facts.get("probe_id")) if isinstance(facts, dict) else ""

    def _store_outcome(self, record: logging.LogRecord, outcome: Outcome) -> None:
        """Store the first outcome of a level: after a failure, the record does not count as arrived."""
        self._outcomes.setdefault(record.levelname, outcome)
        with contextlib.suppress(Exception):
            if self._probe_id_of(record) in self.handler.format(record):
                self._verifiable.add(record.levelname)

    def result(self) -> ProbeResult:
        """Read the file, and return the outcome of each level."""
        file = self.handler.baseFilename if isinstance(self.handler, logging.FileHandler) else None
        # Devices and pipes cannot be read again.
        is_readable = file is not None and (Path(file).is_file() or not Path(file).exists())
        written = _read_end(Path(file)) if file is not None and is_readable and self._outcomes else b""
        for level in self._verifiable if is_readable else ():
            if self._outcomes[level] == "arrived":
                is_written = f"{self._probe_id}-{level}".encode() in written
                self._outcomes[level] = "written" if is_written else "lost"
        return {"handler": handler_name(self.handler), "file": file, "outcomes": self._outcomes}


def _read_end(file: Path) -> bytes:
    """Return the end of a log file and of its first backup, because it may have been rotated during the probe."""
    written = b""
    for path in (file.with_name(f"{file.name}.1"), file):
        with contextlib.suppress(OSError), path.open("rb") as opened:
            opened.seek(max(0, path.stat().st_size - MAX_READ_BYTES))
            written += opened.read()
    return written


@contextlib.contextmanager
def _without_sentry_integrations() -> Iterator[None]:
    """Let the Sentry SDK, if it is loaded, drop the events of its integrations during the block."""
    sdk = sys.modules.get("sentry_sdk")
    if sdk is None:
        yield
        return
    with sdk.new_scope() as scope:
        scope.add_event_processor(lambda _event, _hint: None)
        yield
