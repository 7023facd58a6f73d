"""Why events wait: what went wrong when they were sent last, for people, in a file of the spool."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from observability.sentry.delivery.lock import FILE_MODE, FLAGS
from observability.sentry.delivery.spool import Spool, give_to_owner

NAME = "trouble.json"
MAX_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why events stay; `wait_s` is the time that the server asked for, or None where it said nothing."""

    reason: str
    wait_s: float | None = None
    at: float = field(default_factory=time.time)


def write_trouble(spool: Spool, trouble: Trouble) -> None:
    """Tell other processes; where that cannot be written, they are not told."""
    draft = f".{NAME}.{os.getpid()}"
    with suppress(OSError), spool.opened() as directory:
        descriptor = os.open(draft, FLAGS | os.O_CREAT | os.O_TRUNC, FILE_MODE, dir_fd=directory)
        try:
            give_to_owner(descriptor, directory)
            os.write(descriptor, json.dumps(asdict(trouble)).encode())
        finally:
            os.close(descriptor)
        os.rename(draft, NAME, src_dir_fd=directory, dst_dir_fd=directory)


def clear_trouble(spool: Spool) -> None:
    """The server takes events again."""
    with suppress(OSError), spool.opened() as directory:
        os.unlink(NAME, dir_fd=directory)


def last_trouble(spool: Spool) -> Trouble | None:
    """What was told last; None where nothing was, or what is there cannot be read."""
    try:
        with spool.opened() as directory:
            descriptor = os.open(NAME, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0), dir_fd=directory)
            with os.fdopen(descriptor, "rb") as file:
                return Trouble(**json.loads(file.read(MAX_BYTES)))
    except (OSError, ValueError, TypeError):
        return None
