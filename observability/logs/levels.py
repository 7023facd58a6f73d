"""Levels that `manage.py loglevel` changes while the service runs.

Each process looks at the file of the changes once a second, in a thread of its own, and takes a change back by itself
when its time is over. A record costs nothing more for it: the level of a logger is changed, which `logging` caches.
"""

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from observability.logs import level_file
from observability.logs.level_file import Change, LevelFileError, Signature

POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Adopted:
    """A change in this process: the level before it, and when it ends by the clock that nobody sets."""

    change: Change
    original_level: int
    level: int
    ends_at: float


class Levels:
    """The changed levels of this process. `start()` begins to follow a file, `stop()` ends it.

    The thread does not run while the process forks, and runs again in both: so it is in the workers of a server that
    loads the application before it forks them, and never holds a lock that a child would find held for ever.

    A file that cannot be read costs one line on stderr, and what is changed stays so for its time; so it does when
    the file vanishes. Once a process has adopted a change, setting the clock does not prolong it.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._signature: Signature | None = None
        self._diagnostics = ""
        # Replaced, never changed: `shown_from` reads them in other threads. The second caches what the first says.
        self._adopted: dict[str, Adopted] = {}
        self._nearest: dict[str, int | None] = {}
        self._looking = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, path: Path) -> None:
        """Adopt what the file says now, and follow it from here on."""
        self._path = path
        self.look()
        self.resume()

    def stop(self) -> None:
        """Follow the file no more; what is changed stays."""
        self._path = None
        self.pause()

    def pause(self) -> None:
        """End the thread, until `resume()`."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1)

    def resume(self) -> None:
        """Run the thread, in a process that follows a file and has none."""
        if self._path is None or (self._thread is not None and self._thread.is_alive()):
            return
        self._looking = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="levels", args=(self._stopping,), daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            # The process ends, or may have no more threads: it serves without.
            self._thread = None
            self._complain(f"the levels cannot be followed: {error}")

    def look(self) -> None:
        """Do once what the thread does each second."""
        with self._looking:
            try:
                self._read()
                self._diagnostics = ""
            except LevelFileError as error:
                self._complain(str(error))
            now = time.monotonic()
            if any(now >= adopted.ends_at for adopted in self._adopted.values()):
                self._adopt(adopted.change for adopted in self._adopted.values() if now < adopted.ends_at)

    def configured_level(self, logger: str) -> int:
        """The effective level of the logger as it would be, had nothing been changed."""
        name = "" if logger == "root" else logger
        while True:
            adopted = self._adopted.get(name or "root")
            level = adopted.original_level if adopted else logging.getLogger(name).level
            if level or not name:
                return level
            name = name.rpartition(".")[0]

    def shown_from(self, logger: str) -> int | None:
        """The changed level of the logger, or of the nearest logger above it; None where none of them is changed."""
        if not self._adopted:
            return None
        cache = self._nearest
        if logger not in cache:
            cache[logger] = _nearest(logger, self._adopted)
        return cache[logger]

    def _watch(self, stopping: threading.Event) -> None:
        while not stopping.wait(POLL_S):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the next look may go well
                self._complain(f"the levels cannot be followed: {error!r}")

    def _read(self) -> None:
        signature = level_file.signature(self._path) if self._path else None
        if self._path is None or signature is None or signature == self._signature:
            return
        # Remembered first: a file that cannot be read is read again when it changes, not each second.
        self._signature = signature
        self._adopt(level_file.read(self._path))

    def _adopt(self, changes: Iterable[Change]) -> None:
        wanted = {change.logger: change for change in changes}
        adopted: dict[str, Adopted] = {}
        for name, before in self._adopted.items():
            if name not in wanted:
                _restore(name, before)
        for name, change in wanted.items():
            known = self._adopted.get(name)
            if known is not None and known.change == change:
                adopted[name] = known
            elif change.remaining_s() > 0:
                adopted[name] = _change_level(change, known)
            elif known is not None:
                _restore(name, known)
        self._adopted = adopted
        self._nearest = {}

    def _complain(self, message: str) -> None:
        if message != self._diagnostics:
            self._diagnostics = message
            print(f"observability: {message}", file=sys.stderr)  # noqa: T201


def _change_level(change: Change, known: Adopted | None) -> Adopted:
    logger = logging.getLogger(change.logger)
    original = known.original_level if known is not None else logger.level
    logger.setLevel(change.level)
    return Adopted(change, original, logger.level, time.monotonic() + change.remaining_s())


def _restore(name: str, adopted: Adopted) -> None:
    logger = logging.getLogger(name)
    # Where somebody else set the level since, it is his.
    if logger.level == adopted.level:
        logger.setLevel(adopted.original_level)


def _nearest(logger: str, adopted: dict[str, Adopted]) -> int | None:
    name = logger
    while name:
        if name in adopted:
            return adopted[name].level
        name = name.rpartition(".")[0]
    return adopted["root"].level if "root" in adopted else None


levels = Levels()
atexit.register(levels.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=levels.pause, after_in_parent=levels.resume, after_in_child=levels.resume)
