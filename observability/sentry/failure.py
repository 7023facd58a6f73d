"""What one failure is: an exception with all that led to it, or an error that was logged outside of any exception."""

from collections.abc import Iterator
from contextlib import suppress

MAX_CHAIN = 50
_mark = "_sentry_event_id"


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it was raised from or while handling, and the members of groups; at most 50."""
    found: list[BaseException] = [error]
    for each in found:
        yield each
        causes = (each.__cause__, each.__context__, *(each.exceptions if isinstance(each, BaseExceptionGroup) else ()))
        found += [cause for cause in causes if cause is not None and not any(cause is known for known in found)]
        del found[MAX_CHAIN:]


def event_id_of(error: BaseException) -> str | None:
    """The event that reported the failure of which this exception is a part, or None where none did yet.

    It stands on the exceptions themselves: they go from the block that logs one to the thread that raises it again.
    """
    marks = (getattr(each, _mark, None) for each in chain(error))
    return next((mark for mark in marks if mark), None)


def mark_reported(error: BaseException, event_id: str) -> None:
    """Remember that this event reports the failure."""
    for each in chain(error):
        with suppress(AttributeError, TypeError):
            setattr(each, _mark, event_id)
