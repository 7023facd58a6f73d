"""The handler of logging.yaml that reports failures."""

import logging

from observability.complaint import Complaint, shown
from observability.records import UnlockedHandler
from observability.sentry.reporting import report_record

_complaint = Complaint("sentry:")


class FailureHandler(UnlockedHandler):
    """Reports each failure once that a record tells of; while Sentry is not started it does nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            report_record(record)
        except Exception as error:  # noqa: BLE001 - a report must not break the work
            _complaint.tell(f"a failure cannot be reported: {shown(error)}")
