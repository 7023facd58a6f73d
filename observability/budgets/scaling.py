"""The measurement behind `django_assert_constant_queries`: the same call with a few, some and more rows."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.db import connections, transaction

from observability.budgets.growth import unstable
from observability.budgets.query_collector import Recorder, Recording

SCALES = (2, 3, 10)


class NotMeasured(Exception):  # noqa: N818 - it is what the test is told
    """Why a call could not be measured: it was refused, or it differs from run to run."""


def measure(
    recorder: Recorder,
    populate: Callable[[int], object],
    call: Callable[[], Any],
    scales: tuple[int, ...],
    *,
    rolls_back: bool,
) -> dict[int, Recording]:
    """What the call runs at each number of rows. Raises `NotMeasured`.

    Each number starts from what was there before, and each call from the same rows: everything is rolled back. The
    first call warms what is kept between calls (content types, compiled statements) and does not count; the two after
    it have to be alike.
    """
    __tracebackhide__ = True
    if len(set(scales)) < 2:  # noqa: PLR2004 - growth needs two points
        raise NotMeasured(f"scales is {scales!r}: growth shows with two different numbers of rows at least")
    run = async_to_sync(call) if iscoroutinefunction(call) else call
    recordings: dict[int, Recording] = {}
    for rows in scales:
        with _rolled_back(active=rolls_back):
            with recorder.paused():
                populate(rows)
                if not recordings:
                    with _rolled_back(active=rolls_back):
                        run()
            recordings[rows] = _twice(recorder, run, rows, rolls_back=rolls_back)
    return recordings


def _twice(recorder: Recorder, run: Callable[[], Any], rows: int, *, rolls_back: bool) -> Recording:
    __tracebackhide__ = True
    first, second = (_once(recorder, run, rolls_back=rolls_back) for _ in range(2))
    if first.refused:
        raise NotMeasured(f"{first.refused[0]} at {rows} rows: there is nothing to measure")
    difference = unstable(rows, first, second)
    if difference:
        raise NotMeasured(difference)
    return second


def _once(recorder: Recorder, run: Callable[[], Any], *, rolls_back: bool) -> Recording:
    __tracebackhide__ = True
    with _rolled_back(active=rolls_back), recorder.block() as recording:
        run()
    return recording


@contextmanager
def _rolled_back(*, active: bool) -> Iterator[None]:
    """Undo in every database that the test uses what the block did."""
    with ExitStack() as stack:
        used = [each.alias for each in connections.all(initialized_only=True) if each.connection is not None]
        for alias in used if active else ():
            stack.enter_context(transaction.atomic(using=alias))
            stack.callback(transaction.set_rollback, True, using=alias)  # noqa: FBT003 - it takes no keyword
        yield
