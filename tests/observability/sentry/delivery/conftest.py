"""The fixture for processes that report failures."""

from collections.abc import Iterator

import pytest

from tests.observability.sentry.delivery.spooling import Writers


@pytest.fixture(scope="session")
def writers() -> Iterator[Writers]:
    """Return an object that starts processes that report failures."""
    created = Writers()
    yield created
    created.end()
