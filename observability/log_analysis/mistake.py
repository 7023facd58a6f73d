"""What ends a command with one sentence for the person who typed it."""


class ReadingError(Exception):
    """The files or what was asked of them cannot be read; the message says which, why, and what to do."""
