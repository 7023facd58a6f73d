"""Write the events of this process into its directory of the spool, or into memory if the disk refuses them."""

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
    """An event that is not in a file."""

    content: bytes
    category: str


class SpoolWriter:
    """Created with the transport, and again in each forked child. Any thread may write."""

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
        """Write an event. Raises nothing: if disk and memory are full, drop and count the oldest event in memory."""
        event = MemoryEvent(content, category)
        try:
            self._write(event)
        except OSError as error:
            self._diagnostics.write(
                f"{self._spool.path} cannot be written: {error.strerror or error}; "
                f"up to {self._max_in_memory} events wait in memory"
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
        """Write an event that was in memory to a file, or put it back as the oldest; return whether it is in a file."""
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
        """Leave the directory to other processes."""
        if self._directory is not None:
            self._leave(self._directory)

    def _write(self, event: MemoryEvent) -> None:
        directory = self._process_directory()
        try:
            directory.write(*event)
        except FileNotFoundError:
            # Somebody removed the directory with all its events.
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
    """The directory of one process in the spool, from its first event on. Its lock shows that the process runs."""

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
                # Until it is locked, another process may take it for that of a dead process, and remove it.
                with suppress(FileNotFoundError):
                    directory = cls(spool, name, os.open(name, DIRECTORY_FLAGS, dir_fd=parent))
                    match_owner(directory.descriptor, parent)
                    if directory.lock():
                        return directory
        raise FileNotFoundError(f"new directories in {spool.path} disappear")

    def lock(self) -> bool:
        """Show other processes that this one runs; return False if one of them was faster. Raises `OSError`."""
        self._lock = FileLock.try_acquire(LOCK_NAME, directory=self.descriptor, create=True)
        return self._lock is not None

    def write(self, content: bytes, category: str) -> None:
        """Add an event, completely or not at all.

        Raises `OSError`, and `FileNotFoundError` if somebody removed the directory.
        """
        write_private(envelope_name(next(self._numbers), category), content, directory=self.descriptor)

    def close(self) -> None:
        """Release the directory: other processes send the events in it, and an empty one is removed."""
        self._spool.remove_if_empty(self.name, self.descriptor)
        if self._lock is not None:
            self._lock.release()

    def __del__(self) -> None:
        # Not in `close()`: a thread may still write, and the descriptor's number could be that of another file by then.
        with suppress(OSError):
            os.close(self.descriptor)
