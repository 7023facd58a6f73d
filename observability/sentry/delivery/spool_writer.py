"""Write the events of this process to its directory in the spool, or keep them in memory if writing fails."""

import os
import secrets
import threading
from collections import deque
from contextlib import suppress
from itertools import count
from typing import NamedTuple, Self

from observability.core.diagnostics import Diagnostics
from observability.files import PRIVATE_DIRECTORY_MODE, FileLock, match_owner
from observability.sentry.delivery.spool import (
    DIRECTORY_FLAGS,
    LOCK_NAME,
    QueuedEvent,
    Spool,
    envelope_name,
    write_private,
)

MAX_IN_MEMORY = 100
ATTEMPTS = 5


class MemoryEvent(NamedTuple):
    """An event that is kept in memory, not in a file."""

    content: bytes
    category: str


class SpoolWriter:
    """Write events of this process. The transport creates one, and a new one in each forked child. Thread-safe."""

    def __init__(self, spool: Spool, *, max_in_memory: int = MAX_IN_MEMORY) -> None:
        self.overflow_count = 0
        self._spool = spool
        self._max_in_memory = max_in_memory
        self._memory: deque[MemoryEvent] = deque()
        self._directory: ProcessDirectory | None = None
        # Reentrant: a signal handler may log an error while its thread writes.
        self._directory_lock = threading.RLock()
        self._diagnostics = Diagnostics("sentry:")

    def put(self, content: bytes, category: str) -> None:
        """Write an event, or keep it in memory if that fails. If memory is full, drop and count the oldest event there.

        It does not raise `OSError`.
        """
        event = MemoryEvent(content, category)
        try:
            self._write(event)
        except OSError as error:
            self._diagnostics.write(
                f"the spool {self._spool.path} cannot be written: {error.strerror or error}. "
                f"Up to {self._max_in_memory} events are kept in memory"
            )
            self._memory.append(event)
            if len(self._memory) > self._max_in_memory and self.pop_from_memory():
                self.overflow_count += 1

    def pop_from_memory(self) -> MemoryEvent | None:
        """Remove and return the oldest event in memory."""
        try:
            return self._memory.popleft()
        except IndexError:
            return None

    def put_back(self, event: MemoryEvent) -> bool:
        """Write an event from memory to a file; if that fails, put it back as the oldest. Return whether it worked."""
        try:
            self._write(event)
        except OSError:
            self._memory.appendleft(event)
            return False
        return True

    def clear_memory(self) -> int:
        """Drop the events in memory; return their number."""
        dropped_count = 0
        while self.pop_from_memory():
            dropped_count += 1
        return dropped_count

    def events(self) -> list[QueuedEvent]:
        """Return the events in the directory of this process, oldest first."""
        directory = self._directory
        return self._spool.events(directory.name) if directory else []

    def close(self) -> None:
        """Release the directory, so that other processes can send its events."""
        if self._directory is not None:
            self._leave(self._directory)

    def _write(self, event: MemoryEvent) -> None:
        directory = self._process_directory()
        try:
            directory.write(*event)
        except FileNotFoundError:
            # The directory was removed with all its events.
            self._leave(directory)
            self._process_directory().write(*event)

    def _process_directory(self) -> "ProcessDirectory":
        with self._directory_lock:
            if self._directory is None:
                self._directory = ProcessDirectory.create(self._spool)
            return self._directory

    def _leave(self, directory: "ProcessDirectory") -> None:
        with self._directory_lock:
            if self._directory is directory:
                self._directory = None
                directory.close()


class ProcessDirectory:
    """The directory of one process in the spool, created for its first event. The lock shows that the process runs."""

    def __init__(self, spool: Spool, name: str, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor
        self._spool = spool
        self._lock: FileLock | None = None
        self._numbers = count()

    @classmethod
    def create(cls, spool: Spool) -> Self:
        """Create a new directory. Raises `OSError`."""
        spool.create()
        for _ in range(ATTEMPTS):
            name = f"{os.getpid()}-{secrets.token_hex(4)}"
            with spool.open_directory() as parent:
                os.mkdir(name, PRIVATE_DIRECTORY_MODE, dir_fd=parent)
                # Before it is locked, another process may remove it as the directory of a dead process. Then retry.
                with suppress(FileNotFoundError):
                    directory = cls(spool, name, os.open(name, DIRECTORY_FLAGS, dir_fd=parent))
                    match_owner(directory.descriptor, parent)
                    if directory.lock():
                        return directory
        raise FileNotFoundError(f"{ATTEMPTS} new directories in {spool.path} were removed before they could be locked")

    def lock(self) -> bool:
        """Lock the directory, so that other processes see that this one runs. Return False if another process holds it.

        Raises `OSError`.
        """
        self._lock = FileLock.try_acquire(LOCK_NAME, directory=self.descriptor, create=True)
        return self._lock is not None

    def write(self, content: bytes, category: str) -> None:
        """Add an event atomically. Raises `OSError`; `FileNotFoundError` if the directory was removed."""
        write_private(envelope_name(next(self._numbers), category), content, directory=self.descriptor)

    def close(self) -> None:
        """Release the directory: remove it if it is empty; otherwise other processes send its events."""
        self._spool.remove_if_empty(self.name, self.descriptor)
        if self._lock is not None:
            self._lock.release()

    def __del__(self) -> None:
        # Do not close the descriptor in `close()`: a thread may still write to it, and its number may be reused.
        with suppress(OSError):
            os.close(self.descriptor)
