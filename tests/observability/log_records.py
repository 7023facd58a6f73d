"""Log records of the standard library, as a handler or a formatter gets them."""

import logging


def log_record(event: object = "event", *, level: int = logging.INFO, **attributes: object) -> logging.LogRecord:
    """Return a record of the logger `tests`; `attributes` are set on it, as logging does with `extra`."""
    given = {"name": "tests", "msg": event, "levelno": level, "levelname": logging.getLevelName(level)}
    return logging.makeLogRecord(given | attributes)
