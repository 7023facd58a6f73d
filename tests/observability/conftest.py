"""The test root of the observability layer, under the settings of the probe project."""

import logging.config
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import pytest

from observability import observe
from observability.core.observation import Observation
from observability.core.readers import readers
from observability.core.timeline import Timeline
from observability.logs.config import load_logging
from tests.server import ROOT

pytest_plugins = ["observability.budgets.plugin", "tests.plugin"]


class Closed:
    """A reader that keeps the observations that ended."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []

    def closed(self, observation: Observation) -> None:
        self.observations.append(observation)


@pytest.fixture
def closed() -> Iterator[list[Observation]]:
    """The observations that ended during the test, in order."""
    reader = Closed()
    with readers.added(reader):
        yield reader.observations


@pytest.fixture
def detailed_work() -> Iterator[Observation]:
    """A unit of work that somebody wants to see whole."""
    with observe("work") as observation:
        observation.timeline = Timeline()
        yield observation


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Restore the logging of the tests after a test that configured another one."""
    before = {logger.name: State.of(logger) for logger in loggers()}
    yield
    variables = {"LOG_DIR": "unused", "SERVICE_NAME": "vitrine"}
    configuration = load_logging(ROOT / "logging.yaml", ["test"], variables)
    # It closes the handlers of the test, and replaces those of the loggers that it names.
    logging.config.dictConfig(configuration)
    # dictConfig leaves those disabled that stand below one that it names.
    for logger in loggers():
        logger.disabled = False
        if logger.name not in configuration["loggers"]:
            before.get(logger.name, State()).restore(logger)


def loggers() -> list[logging.Logger]:
    """Return all loggers but the root."""
    return [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)]


@dataclass(frozen=True)
class State:
    """What a test can configure of a logger; dictConfig leaves filters, and the loggers that it does not name."""

    level: int = logging.NOTSET
    handlers: tuple[logging.Handler, ...] = ()
    filters: tuple[Any, ...] = ()
    propagate: bool = True

    @classmethod
    def of(cls, logger: logging.Logger) -> Self:
        return cls(logger.level, tuple(logger.handlers), tuple(logger.filters), logger.propagate)

    def restore(self, logger: logging.Logger) -> None:
        logger.setLevel(self.level)
        logger.handlers, logger.filters, logger.propagate = list(self.handlers), list(self.filters), self.propagate
