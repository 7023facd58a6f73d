"""The current observation: open one, make it current, and find it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from observability.core.http_attributes import HttpAttributes
from observability.core.observation import Kind, Observation
from observability.core.trace_context import TraceParent

_current: ContextVar[Observation | None] = ContextVar("observation", default=None)
# Emptied when the process opens its first observation.
_first_observation_callbacks: list[Callable[[], None]] = []


def current() -> Observation | None:
    """Return the observation of the code that runs, or None outside of any."""
    return _current.get()


def note(**facts: object) -> None:
    """Add facts to the log line of the current unit of work. No-op outside of any.

    Values that are not a string, number, boolean or None are stored as text, cut at 1,024 characters.
    """
    observation = _current.get()
    if observation is not None:
        observation.note(**facts)


@contextmanager
def observe(
    name: str, *, kind: Kind = "span", expected: tuple[type[Exception], ...] = (), **facts: object
) -> Iterator[Observation]:
    """Observe a block of code as a unit of work with its own log line; its steps count in the enclosing one too.

    An exception is recorded and raised again; one of the `expected` types is not a failure.
    """
    observation = open_observation(kind, name, parent=_current.get())
    observation.note(**facts)
    with activate(observation):
        try:
            yield observation
        except BaseException as error:
            observation.fail(error, expected=isinstance(error, expected))
            # Readers find the exception in sys.exc_info() here, and nowhere later.
            observation.close()
            raise
        else:
            observation.close()


class activate:  # noqa: N801 - a context manager, used as `with activate(observation):`
    """Make an observation the current one for a block; restore the previous one on every way out.

    With None, the block belongs to no observation: what a developer tool does for itself is not part of the request.
    It sets the variable back instead of resetting a token: under ASGI a response is closed in another Context, which
    refuses a token of the first one.
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
    """Create an observation; the first one of the process runs the callbacks of `on_first_observation`."""
    if _first_observation_callbacks:
        for callback in tuple(_first_observation_callbacks):
            callback()
        _first_observation_callbacks.clear()
    return Observation(kind, name, request_id=request_id, caller=caller, parent=parent, http=http)


def on_first_observation(callback: Callable[[], None]) -> None:
    """Run set-up before the first observation instead of at the start of the process.

    Several threads may call it at the same time. It must be safe to call twice, and must return only when it is done.
    """
    _first_observation_callbacks.append(callback)
