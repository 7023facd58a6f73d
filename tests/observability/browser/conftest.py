"""The development server, for the tests of what it shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.server import Server, developing

# What a browser sends when a person opens an address.
NAVIGATION = {"Sec_Fetch_Mode": "navigate", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service under `settings.development`, with its demo fleet."""
    with developing(tmp_path_factory.mktemp("development")) as server:
        yield server


@pytest.fixture
def recording(settings: Settings, tmp_path: Path) -> None:
    """The test's client is a developer's, and its calls are recorded as in development, without a toolbar."""
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.MIDDLEWARE = [
        settings.MIDDLEWARE[0],
        "observability.browser.json_page.middleware.JsonPageMiddleware",
        "observability.browser.profiles.middleware.ProfileMiddleware",
        *settings.MIDDLEWARE[1:],
    ]
    settings.OBSERVABILITY = settings.OBSERVABILITY | {
        "READERS": [*settings.OBSERVABILITY["READERS"], "observability.browser.profiles.reader.Profiles"],
        "PROFILE_FILE": str(tmp_path / "profiles.sqlite3"),
    }
