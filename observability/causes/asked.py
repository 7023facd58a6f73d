"""Who asked for a query that another thread runs: the ORM of async code is run by asgiref in a thread of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from types import CodeType
from typing import Any

from asgiref.sync import SyncToAsync

# Code, and the instruction in it that runs.
Place = tuple[CodeType, int]

_asked: ContextVar[tuple[Place, ...]] = ContextVar("asked", default=())


def asked() -> tuple[Place, ...]:
    """Where the coroutine stands that waits for this thread; nothing where none does."""
    return _asked.get()


@contextmanager
def noted(places: Callable[[], tuple[Place, ...]]) -> Iterator[None]:
    """Note the places at each call of asgiref's `sync_to_async` until the block ends: the thread has no way back.

    What the thread runs sees them, since it runs in a copy of the caller's context.
    """
    call: Callable[..., Any] = SyncToAsync.__call__

    @wraps(call)
    async def noting(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - of whatever is called
        __tracebackhide__ = True
        before = _asked.get()
        _asked.set(places())
        try:
            return await call(self, *args, **kwargs)
        finally:
            _asked.set(before)

    SyncToAsync.__call__ = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        SyncToAsync.__call__ = call  # type: ignore[method-assign]
