"""Filters for the handlers and loggers in logging.yaml."""

import logging
from collections.abc import Iterable


class ExceptLoggersFilter(logging.Filter):
    """Pass all records except those of the named loggers."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        if isinstance(names, str):
            raise ValueError(f"names is {names!r}. Allowed: a list of logger names.")  # noqa: TRY004 - as for other values
        self.names = frozenset(names)

    def filter(self, record: logging.LogRecord) -> bool:
        return record.name not in self.names


class ExceptRequestLinesFilter(logging.Filter):
    """Drop the request lines of Django's development server, because the access log has more details.

    Other records of that server, for example about a request by HTTPS, have no arguments and are kept.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.args
