"""structlog's part: from `log.info("truck_imported", vin=…)` to a record of the standard library."""

from collections.abc import Mapping
from typing import Any

import structlog

RECORD_ARGUMENTS = ("exc_info", "stack_info", "stacklevel")


def configure_structlog() -> None:
    """Let structlog's loggers end as records of the standard library, which `logging.yaml` writes like all others."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.contextvars.merge_contextvars, to_record],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def to_record(_: object, method: str, event_dict: Mapping[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    """The last processor: the event is the message, its keys stand together in the record's attribute `facts`.

    Spread over the record they would collide with its own attributes: `extra={"name": …}` raises KeyError.
    """
    facts = dict(event_dict)
    event = str(facts.pop("event", ""))
    arguments = {key: facts.pop(key) for key in RECORD_ARGUMENTS if key in facts}
    if method == "exception":
        arguments.setdefault("exc_info", True)
    return (event,), {**arguments, "extra": {"facts": facts}}
