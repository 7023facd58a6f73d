"""The directory of this process in the spool."""

import os
import secrets
from contextlib import suppress
from itertools import count
from typing import Self

from observability.sentry.delivery.lock import FILE_MODE, FLAGS, Lock
from observability.sentry.delivery.spool import (
    DIRECTORY_FLAGS,
    DIRECTORY_MODE,
    LOCK_NAME,
    Spool,
    envelope_name,
    give_to_owner,
)

ATTEMPTS = 5


class OwnDirectory:
    """Made by `make()` with the first event of a process, and closed with it; the lock tells others that it lives."""

    def __init__(self, spool: Spool, name: str, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor
        self._spool = spool
        self._lock: Lock | None = None
        self._numbers = count()

    @classmethod
    def make(cls, spool: Spool) -> Self:
        """A new directory. Raises OSError where it cannot be made."""
        spool.make()
        for _ in range(ATTEMPTS):
            name = f"{os.getpid()}-{secrets.token_hex(4)}"
            with spool.opened() as parent:
                os.mkdir(name, DIRECTORY_MODE, dir_fd=parent)
                # Who looks for dead processes may take it for one of them, and remove it, before it is locked.
                with suppress(FileNotFoundError):
                    directory = cls(spool, name, os.open(name, DIRECTORY_FLAGS, dir_fd=parent))
                    give_to_owner(directory.descriptor, parent)
                    if directory.lock():
                        return directory
        raise FileNotFoundError(f"{spool.path} loses its directories")

    def lock(self) -> bool:
        """Let others see that its process lives; False where one of them was quicker. Raises OSError."""
        self._lock = Lock.take(LOCK_NAME, directory=self.descriptor, flags=os.O_CREAT)
        return self._lock is not None

    def write(self, content: bytes, category: str) -> None:
        """Add an event: it is there as a whole, or not at all.

        Raises OSError; FileNotFoundError where somebody removed the directory.
        """
        name = envelope_name(next(self._numbers), category)
        draft = f".{name}"
        flags = FLAGS | os.O_CREAT | os.O_EXCL
        descriptor = os.open(draft, flags, FILE_MODE, dir_fd=self.descriptor)
        try:
            try:
                give_to_owner(descriptor, self.descriptor)
                _write_all(descriptor, content)
            finally:
                os.close(descriptor)
            os.rename(draft, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft, dir_fd=self.descriptor)
            raise

    def close(self) -> None:
        """Leave it: what waits in it belongs to who finds it, and an empty one goes."""
        self._spool.remove_if_empty(self.name, self.descriptor)
        if self._lock is not None:
            self._lock.release()

    def __del__(self) -> None:
        # Not before the last thread that writes has let go of it: its number may be that of another file then.
        with suppress(OSError):
            os.close(self.descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    written = os.write(descriptor, content)
    while written < len(content):
        written += os.write(descriptor, content[written:])
