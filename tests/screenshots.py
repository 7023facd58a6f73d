"""Take the pictures in `docs/images` with Chromium; `bin/screenshots` runs this.

The pages are those of the probe project's development server, and an issue in Bugsink.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

from tests.bugsink import Project, bugsink, why_not_installed
from tests.chromium import chromium, chromium_path
from tests.server import ROOT, Server, developing, is_listening, wait_for

IMAGES = ROOT / "docs" / "images"
LIST = "/api/v1/books/?page_size=2"
FAILING = "/api/v1/books/status-counts/"
PORT = 8000


@contextmanager
def window(height: int) -> Iterator[Page]:
    """Open a window of 1,280 pixels width and this height in a new browser."""
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1280, "height": height}, color_scheme="light")


def take_json_page(server: Server) -> Path:
    """Take the page of a JSON response, with the toolbar."""
    # The first request of a process takes longer than later ones.
    server.get(LIST)
    picture = IMAGES / "json-page.png"
    with window(720) as page:
        page.goto(server.origin + LIST)
        page.reload()
        page.locator("#djDebugToolbar").wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
    return picture


def take_requests(server: Server) -> list[Path]:
    """Take the list of requests, the profile of a request with a repeated query, its comparison and a flame graph.

    The comparison is with the same request after the fix.
    """
    for path in ("/shelves/", LIST, FAILING, "/api/v1/books/nope/", "/write-then-raise/lost/"):
        server.get(path)
    slow, fixed = (profile_url(server, path) for path in ("/shelves/", "/shelves/?fixed"))
    first, second = (url.split("/")[-2] for url in (slow, fixed))
    flame = profile_url(server, "/shelves/?page_size=200&profile&toolbar=off")
    addresses = {
        "request": slow,
        "comparison": f"{server.origin}/__debug__/requests/{first}/compare/{second}/",
        "requests": f"{server.origin}/__debug__/requests/",
    }
    pictures = [picture(name, address, 760) for name, address in addresses.items()]
    return [*pictures, picture("flame-graph", f"{flame}#flame", 720)]


def profile_url(server: Server, path: str) -> str:
    """Send a request, and return the URL of its profile."""
    url: str = server.get(path).headers["X-Profile-URL"]
    return url


def picture(name: str, address: str, height: int) -> Path:
    """Take a page; a fragment in the address (`#flame`) names the element at the top of the picture."""
    path = IMAGES / f"{name}.png"
    with window(height) as page:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=path)
    return path


def take_event(server: Server, project: Project) -> Path:
    """Take the event of a request that fails because a table is missing, as after a forgotten migration."""
    server.database.rows("ALTER TABLE probe_book RENAME TO probe_volume")
    request_id = server.get(FAILING).headers["X-Request-ID"]
    (event,) = wait_for(lambda: project.events_of(request_id), "the event")
    picture = IMAGES / "bugsink-event.png"
    with window(1180) as page:
        page.goto(f"{project.server.origin}/issues/issue/{event['issue']}/event/{event['id']}/")
        page.locator("[name=username]").fill(project.server.access["login"])
        page.locator("[name=password]").fill(project.server.access["password"])
        page.locator("[name=password]").press("Enter")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
    return picture


def main() -> int:
    """Take all pictures; return 1 if Chromium or Bugsink is missing."""
    if chromium_path() is None:
        sys.stderr.write("bin/screenshots needs Chromium: apt install chromium, or set CHROMIUM to its path.\n")
        return 1
    if reason := why_not_installed():
        sys.stderr.write(f"{reason}.\n")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, bugsink(Path(name) / "bugsink") as sentry:
        project = sentry.new_project()
        directory = Path(name) / "probe"
        directory.mkdir()
        # The pictures show the address and the log file. They are those of `bin/run`, if its port is free.
        port = None if is_listening(PORT) else PORT
        variables = {"LOG_DIR": str(directory / "var" / "log"), "SENTRY_DSN": project.dsn}
        with developing(directory, port, **variables) as server:
            # The event comes last, because it removes a table.
            pictures = [take_json_page(server), *take_requests(server), take_event(server, project)]
    sys.stdout.writelines(f"Wrote {picture.relative_to(ROOT)}.\n" for picture in pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
