"""The contract of a reader, and the loop that calls the installed ones.

A reader is a class that is created once per process without arguments. It has one or more of these methods:

    step(observation, step)                     for each step, as it happens
    response_started(observation, headers)      before the first byte of a response is sent; it may set headers
    closed(observation)                         once, after the last byte of the response or the end of the work

`OBSERVABILITY["READERS"]` lists readers by dotted name in the order in which they run, like MIDDLEWARE. `closed` gets
the observation as an argument because the current one may be another by then. Several threads may call a reader at the
same time.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from observability.core.diagnostics import Diagnostics
from observability.text import safe_repr

if TYPE_CHECKING:
    from observability.core.observation import Observation
    from observability.core.steps import Step

Headers = MutableMapping[str, str]


class AbortWork(Exception):  # noqa: N818 - it is a request of the reader, not an error in it
    """Raised by a reader to abort the work, in tests and development only. It is never swallowed."""


class Readers:
    """The installed readers of this process. `install()` replaces them at the start and when a setting changes.

    If a reader raises, one line goes to stderr, at most one per second, and the work continues. With `raise_errors`, as
    in tests, the exception is raised instead.
    """

    def __init__(self) -> None:
        self._installed: tuple[object, ...] = ()
        self._added: tuple[object, ...] = ()
        self._diagnostics = Diagnostics("observability:")
        self.raise_errors = False
        self._bind()

    def install(self, installed: Iterable[object], *, raise_errors: bool = False) -> None:
        """Replace the readers by these, in this order."""
        self._installed = tuple(installed)
        self.raise_errors = raise_errors
        self._bind()

    @contextmanager
    def added(self, reader: object) -> Iterator[None]:
        """Add one more reader after the others for a block; it stays if the others are replaced meanwhile."""
        self._added += (reader,)
        self._bind()
        try:
            yield
        finally:
            self._added = tuple(each for each in self._added if each is not reader)
            self._bind()

    def _bind(self) -> None:
        self._step = self._methods("step")
        self._response_started = self._methods("response_started")
        self._closed = self._methods("closed")

    def _methods(self, name: str) -> tuple[Callable[..., Any], ...]:
        return tuple(getattr(reader, name) for reader in (*self._installed, *self._added) if hasattr(reader, name))

    def step(self, observation: "Observation", step: "Step") -> None:
        for method in self._step:
            try:
                method(observation, step)
            except Exception as error:  # noqa: BLE001 - a reader must not break the work
                self._handle(method, error)

    def response_started(self, observation: "Observation", headers: Headers) -> None:
        for method in self._response_started:
            try:
                method(observation, headers)
            except Exception as error:  # noqa: BLE001 - a reader must not break the work
                self._handle(method, error)

    def closed(self, observation: "Observation") -> None:
        for method in self._closed:
            try:
                method(observation)
            except Exception as error:  # noqa: BLE001 - a reader must not break the work
                self._handle(method, error)

    def _handle(self, method: Callable[..., Any], error: Exception) -> None:
        if self.raise_errors or isinstance(error, AbortWork):
            raise error
        self._diagnostics.write(f"{getattr(method, '__qualname__', 'a reader')} failed: {safe_repr(error)}")


readers = Readers()
