"""Filters of handlers and loggers, for logging.yaml."""

import logging
from collections.abc import Iterable


class ExceptLoggers(logging.Filter):
    """Lets through all records but those of the named loggers."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        if isinstance(names, str):
            raise ValueError(f"names is {names!r}: a list of names of loggers.")  # noqa: TRY004 - as for other values
        self.names = frozenset(names)

    def filter(self, record: logging.LogRecord) -> bool:
        return record.name not in self.names


class ExceptRequestLines(logging.Filter):
    """Drops the line per request of Django's development server: the access line says the same and more.

    What else that server logs, such as a request by HTTPS, has no arguments.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.args
