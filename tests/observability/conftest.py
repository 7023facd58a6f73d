"""Fixtures for all tests of the observability layer. They run with the settings of the probe project."""

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


class ClosedObservations:
    """A reader that keeps each closed observation."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []

    def closed(self, observation: Observation) -> None:
        self.observations.append(observation)


@pytest.fixture
def closed() -> Iterator[list[Observation]]:
    """The observations that were closed during the test, in order."""
    reader = ClosedObservations()
    with readers.added(reader):
        yield reader.observations


@pytest.fixture
def profiled_observation() -> Iterator[Observation]:
    """An open observation with a timeline."""
    with observe("work") as observation:
        observation.timeline = Timeline()
        yield observation


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Restore the logging configuration of the tests after the test."""
    before = {logger.name: LoggerState.of(logger) for logger in loggers()}
    yield
    variables = {"LOG_DIR": "unused", "SERVICE_NAME": "vitrine"}
    configuration = load_logging(ROOT / "logging.yaml", ["test"], variables)
    # dictConfig closes the handlers that the test configured, and replaces the handlers of each logger that it names.
    logging.config.dictConfig(configuration)
    # dictConfig disables existing loggers below a logger that it names.
    for logger in loggers():
        logger.disabled = False
        if logger.name not in configuration["loggers"]:
            before.get(logger.name, LoggerState()).restore(logger)


def loggers() -> list[logging.Logger]:
    """Return all loggers except the root."""
    return [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)]


@dataclass(frozen=True)
class LoggerState:
    """The configuration of a logger. dictConfig does not reset filters, nor loggers that it does not name."""

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
