"""Files that only the user of the service can read: the database, log files, events, profiles and keys.

The umask makes every file private from its first moment, also the files of libraries. It does not apply to commands
that write source code, because other users may have to read that, for example in an image of a container.
"""

import os
from collections.abc import Sequence
from pathlib import Path

PRIVATE_UMASK = 0o077
SOURCE_COMMANDS = frozenset({
    "compilemessages", "makemessages", "makemigrations", "optimizemigration", "squashmigrations", "startapp",
    "startproject",
})  # fmt: skip


def set_umask(arguments: Sequence[str]) -> None:
    """Make the files private that this process creates, unless it is a command of Django that writes source code."""
    if not writes_source(arguments):
        os.umask(PRIVATE_UMASK)


def writes_source(arguments: Sequence[str]) -> bool:
    """Return whether these arguments of a program start a command that writes source code."""
    return len(arguments) > 1 and arguments[1] in SOURCE_COMMANDS


def create_directory(path: Path) -> None:
    """Create a directory and its missing parents with the mode 0700, under any umask. Raises `OSError`."""
    if not path.is_dir():
        create_directory(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def create_file(path: Path) -> None:
    """Create an empty file with the mode 0600 unless it exists, under any umask. Raises `OSError`."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
