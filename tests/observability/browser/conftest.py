"""The development server, for the tests of what it shows."""

from collections.abc import Iterator

import pytest

from tests.server import Server, developing

# What a browser sends when a person opens an address.
NAVIGATION = {"Sec_Fetch_Mode": "navigate", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service under `settings.development`, with its demo fleet."""
    with developing(tmp_path_factory.mktemp("development")) as server:
        yield server
