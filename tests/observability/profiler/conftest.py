"""The development server, a real Chromium, and profile stores, for the tests of the profiler."""

import html
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings

from observability.profiler.profile_document import ProfileDocument
from observability.profiler.profile_store import COLUMNS, DOCUMENT, ProfileRow, ProfileStore
from observability.profiler.profile_store import store as current_store
from tests.chromium import SharedBrowser, window
from tests.server import DEADLINE_S, Server, Servers, developing

# Headers that a browser sends when a user opens a URL.
NAVIGATION = {"Sec_Fetch_Mode": "navigate", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
# The same headers for Django's test client.
NAVIGATION_HEADERS = {name.replace("_", "-"): value for name, value in NAVIGATION.items()}
Begin = Callable[..., int]
# A list of two books, which needs two queries.
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
    """Start the development server with books and a login. It allows scripts of other origins."""
    return servers.get("runserver")


@pytest.fixture(scope="session")
def asgi_server(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Start the same project under ASGI."""
    return servers.stack.enter_context(developing(tmp_path_factory.mktemp("asgi"), name="uvicorn"))


@pytest.fixture(scope="session")
def shared_browser() -> Iterator[SharedBrowser]:
    """Provide a real Chromium, started once per process."""
    shared = SharedBrowser()
    yield shared
    shared.close()


@pytest.fixture
def browser(shared_browser: SharedBrowser) -> Iterator[Browser]:
    """Provide the shared Chromium. A test that uses it cannot use the database itself."""
    with shared_browser.used() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """Open a new window of the development server."""
    with window(browser, server.origin) as page:
        yield page


@pytest.fixture
def recording(settings: Settings, tmp_path: Path) -> None:
    """Profile the requests of the test's client as in development, without the toolbar."""
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.MIDDLEWARE = [
        settings.MIDDLEWARE[0],
        "observability.profiler.middleware.JsonPageMiddleware",
        "observability.profiler.middleware.ProfileMiddleware",
        *settings.MIDDLEWARE[1:],
    ]
    settings.OBSERVABILITY = settings.OBSERVABILITY | {
        "READERS": [*settings.OBSERVABILITY["READERS"], "observability.profiler.reader.ProfileReader"],
        "QUIET_PATHS": ["/quiet/"],
        "VAR_DIR": str(tmp_path),
    }


def log_in(server: Server) -> str:
    """Return the cookies of a new session of the login that `prepare` creates."""
    form = server.get("/admin/login/")
    csrf = re.search(r"csrftoken=(\w+)", form.headers["Set-Cookie"])
    assert csrf is not None
    fields = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": csrf[1]}
    headers = {"Cookie": f"csrftoken={csrf[1]}", "Content_Type": "application/x-www-form-urlencoded"}
    answer = server.get("/admin/login/?next=/livez", method="POST", body=urlencode(fields), **headers)
    assert answer.status == 302
    return "; ".join(value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie", []))


def log_in_by_form(page: Page) -> None:
    """Log in to the admin with its form."""
    page.goto("/admin/login/?next=/livez")
    page.fill("#id_username", "admin")
    page.fill("#id_password", "admin")
    page.click("[type=submit]")


# Pages of JSON responses


@pytest.fixture
def development(settings: Settings) -> None:
    """Serve JSON pages only, for the test's client."""
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.MIDDLEWARE = [
        settings.MIDDLEWARE[0],
        "observability.profiler.middleware.JsonPageMiddleware",
        *settings.MIDDLEWARE[1:],
    ]


def navigate(path: str, **extra: Any) -> Any:  # noqa: ANN401 - a response of the client
    """Return the response that a browser gets when a user opens the URL."""
    return Client(raise_request_exception=False).get(path, **{"headers": NAVIGATION_HEADERS} | extra)


def json_of(response: HttpResponse) -> str:
    """Return the JSON of the page without white space."""
    shown = response.content.decode().partition('<pre id="json" tabindex="0">')[2].partition("</pre>")[0]
    return re.sub(r"\s", "", html.unescape(re.sub(r"<[^>]*>", "", shown)))


def notices_of(response: HttpResponse) -> str:
    return html.unescape(" ".join(re.findall(r'<p class="notice">(.*?)</p>', response.content.decode())))


def fact(response: HttpResponse, name: str) -> str:
    found = re.search(rf'<dd id="{name}">(.*?)</dd>', response.content.decode())
    assert found is not None
    return found[1]


# Stored profiles


def values(profile_id: str, **others: object) -> dict[str, Any]:
    """Return a value for each column of the store, for a request whose response has started."""
    known: dict[str, Any] = {column: None for column in COLUMNS if column != "number"}
    known |= {"id": profile_id, "request_id": f"request-{profile_id}", "is_running": True, "process": os.getpid()}
    return known | {"started_at": 1_700_000_000.0, "method": "GET", "path": "/books/"} | others


@contextmanager
def open_store(path: Path) -> Iterator[ProfileStore]:
    """Open another store for the same file, as another process does, until the block ends."""
    store = ProfileStore(path)
    yield store
    store.file.close()


def document_of(row: ProfileRow) -> ProfileDocument:
    """Return the document of a closed request from the file of the fixture `recording`."""
    data = current_store().document(row.number, DOCUMENT)
    assert data is not None
    document: ProfileDocument = json.loads(data)
    return document


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "profiles.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[ProfileStore]:
    with open_store(path) as store:
        yield store


@pytest.fixture
def begin(store: ProfileStore) -> Begin:
    """Return a function that stores the row of a request with these values and usual ones, and returns its number."""

    def begin_request(profile_id: str, panels: dict[str, str] | None = None, **others: object) -> int:
        return store.begin(values(profile_id, **others), panels or {})

    return begin_request
