"""What one failure is: an exception with all that led to it, or an error that was logged outside of any exception."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from observability.core.observation import Observation

MAX_CHAIN = 1_000
# For how long an exception is known as reported where it is not known whose work it ended.
MARK_LIFE_S = 60.0
# An exception that is kept may be raised by many requests at a time.
MAX_MARKS = 16
_marks = "_sentry_marks"
# Where an exception keeps its attributes, whatever its class makes of reading and setting them.
_attributes_of: Any = BaseException.__dict__["__dict__"].__get__


class ReportedEvent(NamedTuple):
    """The Sentry event that reported the failure of an observation, in its extensions; the first one stays."""

    event_id: str
    is_logged: bool = True

    def to_measurements(self) -> dict[str, object]:
        return {"sentry.event_id": self.event_id}

    @classmethod
    def find_id(cls, observation: Observation) -> str | None:
        event: ReportedEvent | None = observation.extensions.get(cls)
        return event.event_id if event is not None else None


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it was raised from or while handling, and the members of groups; at most 1,000."""
    found = [error]
    known = {id(error)}
    for each in found:
        yield each
        for cause in (*_origins(each), *_members(each)):
            if id(cause) not in known and len(found) < MAX_CHAIN:
                known.add(id(cause))
                found.append(cause)


def is_reported(error: BaseException, observation: Observation | None) -> bool:
    """Whether an event reported the failure of which this exception is a part, in the work that is observed.

    An exception that is kept and raised again is a failure of its own in the next unit of work. A group is reported
    where all of its members are: that one task told of its exception says nothing about the others'.
    """
    work = _work_of(observation)
    found = list(chain(error))
    reported = {id(each) for each in found if any(_holds(mark, work) for mark in _marks_of(each))}
    known_count = 0
    while known_count < len(reported):
        known_count = len(reported)
        for each in reversed(found):
            if _follows(each, reported):
                reported.add(id(each))
    return id(error) in reported


def mark_reported(error: BaseException, observation: Observation | None) -> None:
    """Remember that an event of this work reports the failure.

    It stands on the exceptions themselves: they go from the block that logs one to the thread that raises it again.
    """
    mark = (_work_of(observation), time.monotonic())
    for each in chain(error):
        _attributes_of(each)[_marks] = (*_marks_of(each)[1 - MAX_MARKS :], mark)


def _marks_of(error: BaseException) -> tuple[tuple[str | None, float], ...]:
    marks: tuple[tuple[str | None, float], ...] = _attributes_of(error).get(_marks, ())
    return marks


def _work_of(observation: Observation | None) -> str | None:
    return None if observation is None else observation.root.span_id


def _holds(mark: tuple[str | None, float], work: str | None) -> bool:
    marked_work, marked_at = mark
    if work is not None and marked_work is not None:
        return work == marked_work
    # A thread that inherited no context, or a server that logs what got out of the request.
    return 0 <= time.monotonic() - marked_at < MARK_LIFE_S


def _follows(error: BaseException, reported: set[int]) -> bool:
    members = _members(error)
    if members and all(id(each) in reported for each in members):
        return True
    return any(id(each) in reported for each in _origins(error))


def _origins(error: BaseException) -> tuple[BaseException, ...]:
    """What the exception was raised from and while handling; past a class that makes something else of attributes."""
    found = (BaseException.__getattribute__(error, name) for name in ("__cause__", "__context__"))
    return tuple(each for each in found if isinstance(each, BaseException))


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()
