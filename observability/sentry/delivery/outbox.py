"""Where this process puts its events: into its directory in the spool, and into memory where that cannot be written."""

import threading
from collections import deque
from typing import NamedTuple

from observability.core.diagnostics import Diagnostics
from observability.sentry.delivery.own_directory import OwnDirectory
from observability.sentry.delivery.spool import Spool, Waiting

MAX_IN_MEMORY = 100


class Letter(NamedTuple):
    """An event that is in no file."""

    content: bytes
    category: str


class Outbox:
    """Made with the first event of a process, and anew in a child that it forks; written by any thread."""

    def __init__(self, spool: Spool, *, max_in_memory: int = MAX_IN_MEMORY) -> None:
        self.overflow_count = 0
        self._spool = spool
        self._max_in_memory = max_in_memory
        self._memory: deque[Letter] = deque()
        self._directory: OwnDirectory | None = None
        # Reentrant: a signal may be handled, and log an error, while its thread writes.
        self._changing = threading.RLock()
        self._diagnostics = Diagnostics("sentry:")

    def put(self, content: bytes, category: str) -> None:
        """Keep an event. Raises nothing: the oldest in memory is dropped, and counted, where no other place is left."""
        letter = Letter(content, category)
        try:
            self._write(letter)
        except OSError as error:
            self._diagnostics.write(
                f"{self._spool.path} cannot be written: {error.strerror or error}; "
                f"up to {self._max_in_memory} events wait in memory"
            )
            self._memory.append(letter)
            if len(self._memory) > self._max_in_memory and self.next_in_memory():
                self.overflow_count += 1

    def next_in_memory(self) -> Letter | None:
        """Take out the oldest event in memory."""
        try:
            return self._memory.popleft()
        except IndexError:
            return None

    def put_back(self, letter: Letter) -> bool:
        """Keep an event that was in memory: in a file now, or again in memory; whether it is in a file."""
        try:
            self._write(letter)
        except OSError:
            self._memory.appendleft(letter)
            return False
        return True

    def waiting(self) -> list[Waiting]:
        """What waits in the directory of this process, oldest first."""
        directory = self._directory
        return self._spool.waiting(directory.name) if directory else []

    def close(self) -> None:
        """Leave the directory to others."""
        if self._directory is not None:
            self._leave(self._directory)

    def drop_memory(self) -> int:
        """Give up the events in memory; how many there were."""
        count = 0
        while self.next_in_memory():
            count += 1
        return count

    def _write(self, letter: Letter) -> None:
        directory = self._own_directory()
        try:
            directory.write(*letter)
        except FileNotFoundError:
            # Somebody removed the directory, with all that was in it.
            self._leave(directory)
            self._own_directory().write(*letter)

    def _own_directory(self) -> OwnDirectory:
        with self._changing:
            if self._directory is None:
                self._directory = OwnDirectory.make(self._spool)
            return self._directory

    def _leave(self, directory: OwnDirectory) -> None:
        with self._changing:
            if self._directory is directory:
                self._directory = None
                directory.close()
