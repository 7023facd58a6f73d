"""The handler of logging.yaml that reports failures."""

import logging

from observability.core.diagnostics import Diagnostics
from observability.recorders.log_records import LocklessHandler
from observability.sentry.reporting import report_record
from observability.text import safe_repr

_diagnostics = Diagnostics("sentry:")


class FailureHandler(LocklessHandler):
    """Reports each failure once that a record tells of; while Sentry is not started it does nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            report_record(record)
        except Exception as error:  # noqa: BLE001 - a report must not break the work
            _diagnostics.write(f"a failure cannot be reported: {safe_repr(error)}")
