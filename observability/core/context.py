"""The current observation: open an observation, make it the current one, and get the current one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from observability.core.http_attributes import HttpAttributes
from observability.core.observation import Kind, Observation
from observability.core.trace_context import TraceParent

_current: ContextVar[Observation | None] = ContextVar("observation", default=None)
# The list is cleared when the process opens its first observation.
_first_observation_callbacks: list[Callable[[], None]] = []


def current() -> Observation | None:
    """Return the observation of the running code, or None outside of any observation."""
    return _current.get()


def note(**facts: object) -> None:
    """Add facts to the log line of the current unit of work. No-op outside of any observation.

    Values that are not a string, number, boolean or None are stored as text. Each text is cut at 1,024 characters.
    """
    observation = _current.get()
    if observation is not None:
        observation.note(**facts)


@contextmanager
def observe(
    name: str, *, kind: Kind = "span", expected: tuple[type[Exception], ...] = (), **facts: object
) -> Iterator[Observation]:
    """Observe a block of code as a unit of work with its own log line. Its steps also count in its parent.

    An exception is recorded and raised again. An exception of the `expected` types is not a failure.
    """
    observation = open_observation(kind, name, parent=_current.get())
    observation.note(**facts)
    with activate(observation):
        try:
            yield observation
        except BaseException as error:
            observation.fail(error, expected=isinstance(error, expected))
            # Close inside the `except` block: here readers can still get the exception with `sys.exception()`.
            observation.close()
            raise
        else:
            observation.close()


class activate:  # noqa: N801 - a context manager, used as `with activate(observation):`
    """Make an observation the current one during the block, and always restore the previous one.

    With None, the block is outside of any observation. Developer tools use this for work that is not part of the
    request. The variable is set back, not reset with a token: under ASGI a response is closed in another `Context`,
    where `ContextVar.reset()` would raise.
    """

    __slots__ = ("_observation", "_previous")

    def __init__(self, observation: Observation | None) -> None:
        self._observation = observation

    def __enter__(self) -> None:
        self._previous = _current.get()
        _current.set(self._observation)

    def __exit__(self, *exception: object) -> None:
        _current.set(self._previous)


def open_observation(
    kind: Kind,
    name: str,
    *,
    request_id: str = "",
    caller: TraceParent | None = None,
    parent: Observation | None = None,
    http: HttpAttributes | None = None,
) -> Observation:
    """Create an observation. Before the first one of the process, run the callbacks of `on_first_observation`."""
    if _first_observation_callbacks:
        for callback in tuple(_first_observation_callbacks):
            callback()
        _first_observation_callbacks.clear()
    return Observation(kind, name, request_id=request_id, caller=caller, parent=parent, http=http)


def on_first_observation(callback: Callable[[], None]) -> None:
    """Register a callback that runs before the first observation of the process, not when the process starts.

    Several threads may run the callback at the same time. It must be safe to run twice, and each call must return only
    after the set-up is complete.
    """
    _first_observation_callbacks.append(callback)
