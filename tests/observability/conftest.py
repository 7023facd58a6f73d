"""The test root of the observability layer, under the settings of the probe project."""

import logging.config
from collections.abc import Iterator

import pytest

from observability import observe
from observability.details import Details
from observability.logs.config import load_logging
from observability.observation import Observation
from observability.readers import readers
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
        observation.details = Details()
        yield observation


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Restore the logging of the tests after a test that configured another one."""
    loggers = logging.root.manager.loggerDict
    known = set(loggers)
    yield
    for name in set(loggers) - known:
        # A later test would find what this one configured.
        logger = logging.getLogger(name)
        logger.handlers, logger.filters, logger.propagate = [], [], True
        logger.setLevel(logging.NOTSET)
    variables = {"LOG_DIR": "unused", "SERVICE_NAME": "vitrine"}
    logging.config.dictConfig(load_logging(ROOT / "logging.yaml", ["test"], variables))
    # dictConfig leaves those disabled that stand below one that it names.
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False
