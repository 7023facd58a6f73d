"""The contract of a reader, and the loop that calls the installed ones. Standard library only.

A reader is a class, made once per process without arguments, with any of these methods:

    step(observation, step)                     each query, commit, rollback, call and log line, as it happens
    response_started(observation, headers)      before the first byte of a response leaves; headers may be set
    closed(observation)                         once, after the last byte or the last line of the work

The setting `OBSERVABILITY["READERS"]` lists readers by dotted name in the order in which they run, as MIDDLEWARE does.
`closed` gets the observation as an argument because the current one may be another by then. A reader may be called by
several threads at once.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from observability.complaint import Complaint, shown

if TYPE_CHECKING:
    from observability.observation import Observation
    from observability.step import Step

Headers = MutableMapping[str, str]


class WorkRefused(Exception):  # noqa: N818 - it says what a reader does, not what went wrong in it
    """What a reader raises to end the work that it watches, in tests and development alone; it is not swallowed."""


class Readers:
    """The installed readers of this process: `install()` replaces them, at the start and when a setting changes.

    A reader that raises costs one line on stderr, at most one a second, and the work goes on; with `raise_errors`, as
    in tests, its exception goes on instead.
    """

    def __init__(self) -> None:
        self._installed: tuple[object, ...] = ()
        self._added: tuple[object, ...] = ()
        self._complaint = Complaint("observability:")
        self.raise_errors = False
        self._bind()

    def install(self, installed: Iterable[object], *, raise_errors: bool = False) -> None:
        """Make these the readers, in this order."""
        self._installed = tuple(installed)
        self.raise_errors = raise_errors
        self._bind()

    @contextmanager
    def added(self, reader: object) -> Iterator[None]:
        """Let one more reader run, after the others, for the length of a block, whatever is installed meanwhile."""
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
                self._complain(method, error)

    def response_started(self, observation: "Observation", headers: Headers) -> None:
        for method in self._response_started:
            try:
                method(observation, headers)
            except Exception as error:  # noqa: BLE001 - a reader must not break the work
                self._complain(method, error)

    def closed(self, observation: "Observation") -> None:
        for method in self._closed:
            try:
                method(observation)
            except Exception as error:  # noqa: BLE001 - a reader must not break the work
                self._complain(method, error)

    def _complain(self, method: Callable[..., Any], error: Exception) -> None:
        if self.raise_errors or isinstance(error, WorkRefused):
            raise error
        self._complaint.tell(f"{getattr(method, '__qualname__', 'a reader')} failed: {shown(error)}")


readers = Readers()
