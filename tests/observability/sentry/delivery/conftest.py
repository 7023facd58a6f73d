"""Processes that report failures."""

from collections.abc import Iterator

import pytest

from tests.observability.sentry.delivery.spooling import Writers


@pytest.fixture(scope="session")
def writers() -> Iterator[Writers]:
    """Make processes that report failures."""
    made = Writers()
    yield made
    made.end()
