"""The contract of a reader, and the calls of the installed readers.

A reader is a class. One object of it is created per process, without arguments. It has one or more of these methods:

    step(observation, step)                     for each step, as it happens
    response_started(observation, headers)      before the first byte of a response is sent; it may set headers
    closed(observation)                         once, after the last byte of the response or the end of the work

`OBSERVABILITY["READERS"]` lists the readers by dotted name, in the order in which they run, like MIDDLEWARE. `closed`
gets the observation as an argument, because another observation may be the current one at that time. Several threads
may call a reader at the same time.
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


class AbortWork(Exception):  # noqa: N818 - the reader raises it on purpose; it is not an error in the reader
    """Raised by a reader to abort the work, in tests and development only. It is always raised to the application."""


class Readers:
    """The installed readers of this process. `install()` replaces them when Django starts and when a setting changes.

    If a reader raises, one line is written to stderr (at most one per second), and the work continues. With
    `raise_errors`, for tests, the exception is raised instead.
    """

    def __init__(self) -> None:
        self._installed: tuple[object, ...] = ()
        self._added: tuple[object, ...] = ()
        self._diagnostics = Diagnostics("observability:")
        self.raise_errors = False
        self._bind()

    def install(self, installed: Iterable[object], *, raise_errors: bool = False) -> None:
        """Replace the installed readers. The new ones run in this order."""
        self._installed = tuple(installed)
        self.raise_errors = raise_errors
        self._bind()

    @contextmanager
    def added(self, reader: object) -> Iterator[None]:
        """Add a reader during the block, after the installed ones. `install()` does not remove it."""
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
