"""The development server and a real Chromium, for the tests of what a developer sees."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings

from tests.chromium import SharedBrowser, window
from tests.server import DEADLINE_S, Server, Servers, developing

# What a browser sends when a person opens an address.
NAVIGATION = {"Sec_Fetch_Mode": "navigate", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
# A list of two books: two queries.
LIST = "/api/v1/books/?page_size=2"
# The panels of the toolbar, in the order of the settings.
PANELS = [
    "HistoryPanel",
    "TimerPanel",
    "SQLPanel",
    "RepeatedQueriesPanel",
    "QueryBudgetPanel",
    "TransactionPanel",
    "LogRecordsPanel",
    "FlameGraphPanel",
    "RequestPanel",
    "HeadersPanel",
    "CachePanel",
    "TemplatesPanel",
]

# No test depends on the speed of the machine.
expect.set_options(timeout=DEADLINE_S * 1_000)


@pytest.fixture(scope="session")
def server(servers: Servers) -> Server:
    """The development server, with books and a login, open to scripts of other origins."""
    return servers.get("runserver")


@pytest.fixture(scope="session")
def asgi_server(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The same project under ASGI."""
    return servers.stack.enter_context(developing(tmp_path_factory.mktemp("asgi"), name="uvicorn"))


@pytest.fixture(scope="session")
def shared_browser() -> Iterator[SharedBrowser]:
    """A real Chromium, started once per process."""
    shared = SharedBrowser()
    yield shared
    shared.close()


@pytest.fixture
def browser(shared_browser: SharedBrowser) -> Iterator[Browser]:
    """The shared Chromium. A test that uses it cannot use the database itself."""
    with shared_browser.used() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A new window of the development server."""
    with window(browser, server.origin) as page:
        yield page


@pytest.fixture
def recording(settings: Settings, tmp_path: Path) -> None:
    """The test's client is a developer's, and its calls are recorded as in development, without a toolbar."""
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.MIDDLEWARE = [
        settings.MIDDLEWARE[0],
        "observability.profiler.json_page.middleware.JsonPageMiddleware",
        "observability.profiler.profiles.middleware.ProfileMiddleware",
        *settings.MIDDLEWARE[1:],
    ]
    settings.OBSERVABILITY = settings.OBSERVABILITY | {
        "READERS": [*settings.OBSERVABILITY["READERS"], "observability.profiler.profiles.reader.Profiles"],
        "QUIET_PATHS": ["/quiet/"],
        "VAR_DIR": str(tmp_path),
    }


def log_in(server: Server) -> str:
    """Return the cookies of a new session of the login that `prepare` made."""
    form = server.get("/admin/login/")
    csrf = re.search(r"csrftoken=(\w+)", form.headers["Set-Cookie"])
    assert csrf is not None
    fields = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": csrf[1]}
    headers = {"Cookie": f"csrftoken={csrf[1]}", "Content_Type": "application/x-www-form-urlencoded"}
    answer = server.get("/admin/login/?next=/livez", method="POST", body=urlencode(fields), **headers)
    assert answer.status == 302
    return "; ".join(value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie", []))


def log_in_by_form(page: Page) -> None:
    """Log in to the admin as a person does."""
    page.goto("/admin/login/?next=/livez")
    page.fill("#id_username", "admin")
    page.fill("#id_password", "admin")
    page.click("[type=submit]")
