"""The development server, for the tests of what it shows."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from pytest_django import Settings

from tests.chromium import chromium, chromium_path, window
from tests.server import Server, developing

# What a browser sends when a person opens an address.
NAVIGATION = {"Sec_Fetch_Mode": "navigate", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

NOT_RUN = (
    "no Chromium (apt install chromium, or name it: CHROMIUM=/path): what a developer sees in a browser is not tested"
)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service under `settings.development`, with its demo fleet."""
    with developing(tmp_path_factory.mktemp("development")) as server:
        yield server


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same with the addresses of the probe, open to scripts of other origins."""
    with developing(
        tmp_path_factory.mktemp("probe"), DJANGO_SETTINGS_MODULE="tests.probe.settings.development"
    ) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium. No test that has it touches the database: its thread counts as asynchronous for Django."""
    if chromium_path() is None:
        if os.environ.get("CI"):
            pytest.fail(NOT_RUN)
        pytest.skip(NOT_RUN)
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: Server) -> Iterator[Page]:
    """A new window of the service."""
    with window(browser, service.origin) as page:
        yield page


@pytest.fixture
def probe_page(browser: Browser, probe: Server) -> Iterator[Page]:
    """A new window of the probe."""
    with window(browser, probe.origin) as page:
        yield page


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
        "QUIET_PATHS": ["/quiet/"],
        "PROFILE_FILE": str(tmp_path / "profiles.sqlite3"),
    }
